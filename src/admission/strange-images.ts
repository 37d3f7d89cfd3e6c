import type { Json, JsonObject } from '../lib/json.ts';
import { isArray } from '../lib/json.ts';

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** The fields of a pod spec (Kubernetes 1.35) besides its lists of containers and volumes. */
export const POD_FIELDS = words(`
  initContainers containers ephemeralContainers volumes
  restartPolicy terminationGracePeriodSeconds activeDeadlineSeconds dnsPolicy nodeSelector
  serviceAccountName serviceAccount automountServiceAccountToken nodeName hostNetwork hostPID
  hostIPC shareProcessNamespace securityContext imagePullSecrets hostname subdomain affinity
  schedulerName tolerations hostAliases priorityClassName priority dnsConfig readinessGates
  runtimeClassName enableServiceLinks preemptionPolicy overhead topologySpreadConstraints
  setHostnameAsFQDN os hostUsers schedulingGates resourceClaims resources hostnameOverride
  workloadRef`);

/** The fields of a container of any kind. */
export const CONTAINER_FIELDS = words(`
  name image command args workingDir ports envFrom env resources resizePolicy restartPolicy
  restartPolicyRules volumeMounts volumeDevices livenessProbe readinessProbe startupProbe lifecycle
  terminationMessagePath terminationMessagePolicy imagePullPolicy securityContext stdin stdinOnce
  tty targetContainerName`);

/** The fields of a volume: its name and every source. RBD's `image` is a disk and no container image. */
export const VOLUME_FIELDS = words(`
  name image hostPath emptyDir gcePersistentDisk awsElasticBlockStore gitRepo secret nfs iscsi
  glusterfs persistentVolumeClaim rbd flexVolume cinder cephfs flocker downwardAPI fc azureFile
  configMap vsphereVolume quobyte azureDisk photonPersistentDisk projected portworxVolume scaleIO
  storageos csi ephemeral`);

/**
 * The first field outside `known` that holds something named like an image, at any depth; `undefined`
 * where there is none. Image volumes were such a field once (T-44): what a later Kubernetes adds must
 * be refused until it is known here, and not run unseen.
 */
export function strangeImage(object: JsonObject, known: ReadonlySet<string>): string | undefined {
  return Object.keys(object).find(
    (key) => !known.has(key) && (/image/i.test(key) || namesImage(object[key] ?? null)),
  );
}

function namesImage(value: Json): boolean {
  if (isArray(value)) return value.some(namesImage);
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value as JsonObject).some(
    ([key, member]) => /image/i.test(key) || namesImage(member),
  );
}

/**
 * A member that is `name` but for its case, as Go's decoder takes it (encoding/json, "Unmarshal": the
 * last one wins); `undefined` where there is none. The API server writes none: who sends one means two
 * readers to see two objects (T-37).
 */
export function lookalikeOf(object: JsonObject, name: string): string | undefined {
  const folded = name.toLowerCase();
  // Both foldings: Go also takes \u017f for an s and \u212a for a k.
  return Object.keys(object).find(
    (key) => key !== name && key.toUpperCase().toLowerCase() === folded,
  );
}
