import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';

interface Configuration {
  readonly apiVersion: string;
  readonly kind: string;
  readonly webhooks: readonly {
    readonly clientConfig: { readonly service: { readonly path: string } };
    readonly rules: readonly {
      readonly apiGroups: readonly string[];
      readonly apiVersions: readonly string[];
      readonly operations: readonly string[];
      readonly resources: readonly string[];
    }[];
    readonly [key: string]: unknown;
  }[];
}

const page = readFileSync(join(import.meta.dirname, '../../docs/admission.md'), 'utf8');
const yaml = /```yaml\n(apiVersion:[^]*?)```/.exec(page)?.[1] ?? '';
const documents = parseAllDocuments(yaml);
const configurations = documents.map((one) => one.toJS() as Configuration);

describe('docs/admission.md', () => {
  it('has the two webhook configurations, in YAML that reads', () => {
    expect(documents.flatMap((one) => [...one.errors, ...one.warnings])).toEqual([]);
    expect(configurations.map((one) => [one.apiVersion, one.kind])).toEqual([
      ['admissionregistration.k8s.io/v1', 'MutatingWebhookConfiguration'],
      ['admissionregistration.k8s.io/v1', 'ValidatingWebhookConfiguration'],
    ]);
    const paths = configurations.map((one) =>
      one.webhooks.map((webhook) => webhook.clientConfig.service.path),
    );
    expect(paths).toEqual([['/admission/mutate'], ['/admission/validate']]);
  });

  it('T-52, T-49: they fail closed, and leave out namespaces only by the name that the API server sets', () => {
    for (const webhook of configurations.flatMap((one) => one.webhooks)) {
      expect(webhook).toMatchObject({
        failurePolicy: 'Fail',
        matchPolicy: 'Equivalent',
        sideEffects: 'NoneOnDryRun',
        admissionReviewVersions: ['v1'],
        timeoutSeconds: 10,
        namespaceSelector: {
          matchExpressions: [
            {
              key: 'kubernetes.io/metadata.name',
              operator: 'NotIn',
              values: ['kube-system', 'countersign'],
            },
          ],
        },
      });
      expect(webhook).not.toHaveProperty('objectSelector');
      expect(webhook).not.toHaveProperty('matchConditions');
    }
    expect(configurations[0]?.webhooks[0]).toMatchObject({ reinvocationPolicy: 'IfNeeded' });
  });

  it('T-43, T-47, T-50: they name Pods with their ephemeral containers, and every built-in workload', () => {
    for (const { webhooks } of configurations) {
      const rules = webhooks.flatMap((webhook) => webhook.rules);
      for (const rule of rules)
        expect(rule).toMatchObject({ apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'] });
      const named = rules.flatMap((rule) =>
        rule.resources.map((resource) => `${rule.apiGroups.join()}/${resource}`),
      );
      expect(named.toSorted()).toEqual([
        '/pods',
        '/pods/ephemeralcontainers',
        '/podtemplates',
        '/replicationcontrollers',
        'apps/daemonsets',
        'apps/deployments',
        'apps/replicasets',
        'apps/statefulsets',
        'batch/cronjobs',
        'batch/jobs',
      ]);
    }
  });
});
