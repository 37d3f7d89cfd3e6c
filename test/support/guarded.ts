import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../../src/oci/digest.ts';
import type { Service, Site } from './countersign.ts';
import { createSite, startService } from './countersign.ts';
import type { DockerRegistry } from './docker-registry.ts';
import { startDockerRegistry, writeHtpasswd } from './docker-registry.ts';
import type { TestImage } from './image.ts';
import { writeOciLayout } from './image.ts';
import type { Scope } from './scope.ts';
import type { TestSigner } from './signer.ts';
import { testSigner } from './signer.ts';

/** What the gate stands in front of. */
export type Backend = 'docker-registry' | 'embedded';
/** All of them, for suites that hold before each. */
export const BACKENDS: readonly Backend[] = ['docker-registry', 'embedded'];

// One policy for each way to treat an unsigned push; pulls are refused under all three.
const POLICIES = `version: 1
authorities:
  - name: release-bot
    keys: [keys/release-bot.pub, keys/release-bot-spare.pub]
  - name: intern
    keys: [keys/intern.pub]
policies:
${['reject', 'hold', 'allow']
  .map(
    (push) => `  - name: ${push}
    images: ["\${registry}/${push}/**"]
    mode: enforce
    push: ${push}
    tags: registry
    require:
      - signatures: { by: [release-bot], formats: [cosign] }
`,
  )
  .join('')}`;

/**
 * A gate in front of a registry, with the keys `release-bot` (asked for by every policy) and
 * `intern` (known, never enough). The first path segment of a repository names its push rule:
 * `reject/…`, `hold/…`, `allow/…`; nothing else has a policy.
 */
export interface Guarded {
  readonly site: Site;
  readonly gate: Service;
  /** For requests of a test's own: who may do everything, where the gate knows identities. */
  readonly headers: Readonly<Record<string, string>>;
  /** The registry behind the gate; `null` where it is the embedded one. */
  readonly upstream: DockerRegistry | null;
  /** A second key of release-bot, for tests that sign by themselves. */
  readonly spare: TestSigner;
  /** Pushes with `countersign push`, signed by release-bot; returns the digest. Throws where it fails. */
  readonly pushSigned: (name: string, image: TestImage) => Promise<Digest>;
  /** Signs what the names mean with a key. Throws where it fails. */
  sign(names: string | readonly string[], key?: string): Promise<void>;
}

/** May push, sign and pull. */
export const PUSHER = 'ci';
/** May pull. */
export const READER = 'reader';
/** The password of every identity. */
export const PASSWORD = 'a test password';

async function identities(site: Site, upstream = 'embedded'): Promise<(host: string) => string> {
  const users = { [PUSHER]: PASSWORD, [READER]: PASSWORD };
  const htpasswd = await writeHtpasswd(site.folder, users);
  return (host) => `registries:
  - host: ${host}
    upstream: ${upstream}
identities:
  htpasswd: ${htpasswd}
access:
  - { repositories: ["${host}/**"], pull: [${PUSHER}, ${READER}], push: [${PUSHER}], admin: [${PUSHER}] }
`;
}

/** Starts it for a suite. */
export async function startGuarded(
  scope: Scope,
  backend: Backend,
  options: {
    /** Puts something between the gate and docker-registry; returns the URL that the gate is given. */
    readonly between?: (upstream: string) => Promise<string>;
    /** The gate knows the identities `PUSHER` and `READER`; without, it knows nobody. */
    readonly identities?: boolean;
  } = {},
): Promise<Guarded> {
  const upstream =
    backend === 'embedded'
      ? null
      : scope.own(await startDockerRegistry(join(scope.folder(), 'registry')));
  const site = createSite(join(scope.folder(), 'site'));
  await site.key('release-bot');
  await site.key('intern');
  const spare = testSigner('ed25519');
  writeFileSync(join(site.policies, 'keys', 'release-bot-spare.pub'), spare.publicPem);
  site.policy(POLICIES);
  const behind = upstream === null ? undefined : await options.between?.(upstream.url);
  const url = behind ?? upstream?.url;
  let serving: Parameters<typeof startService>[1] = url === undefined ? {} : { upstream: url };
  if (options.identities === true) serving = { config: await identities(site, url) };
  const gate = scope.own(await startService(site, serving));
  let headers = {};
  if (options.identities === true) {
    site.login(gate.host, PUSHER, PASSWORD);
    headers = { authorization: `Basic ${btoa(`${PUSHER}:${PASSWORD}`)}` };
  }
  const must = async (args: readonly string[]): Promise<void> => {
    const ran = await site.cli(args);
    if (ran.code !== 0) {
      throw new Error(`countersign ${args.join(' ')} exited with ${ran.code}:\n${ran.output}`);
    }
  };
  let layouts = 0;
  return {
    site,
    gate,
    headers,
    upstream,
    spare,
    pushSigned: async (name, image) => {
      const layout = join(scope.folder(), 'layouts', String(layouts++));
      mkdirSync(layout, { recursive: true });
      writeOciLayout(layout, image, 'image');
      const args = ['push', `oci:${layout}:image`, `${gate.host}/${name}`];
      await must([...args, '--key', 'release-bot']);
      return image.digest;
    },
    sign: (names, key = 'release-bot') =>
      must(['sign', ...[names].flat().map((name) => `${gate.host}/${name}`), '--key', key]),
  };
}
