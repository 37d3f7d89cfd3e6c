import { join } from 'node:path';
import { beforeAll } from 'vitest';
import { describeConformance } from '../support/conformance.ts';
import { KNOWN_TO_FAIL } from '../support/conformance/docker-registry.ts';
import type { Service } from '../support/countersign.ts';
import { createSite, startService } from '../support/countersign.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { suiteScope } from '../support/scope.ts';

/** What the gate refuses by itself, as the specification says, before this registry could answer otherwise. */
const RIGHT_AT_THE_GATE: ReadonlySet<string> = new Set([
  'a malformed digest is 400',
  'a manifest over 4 MiB is 413',
  'referrers of a malformed digest are 400',
]);

const ALLOW_ALL = `version: 1
policies:
  - { name: everything, images: ["**"], mode: off, push: allow, tags: registry, delete: allow }
`;

// A gate that lets everything through must show its upstream as it is, with all that upstream fails.
describeWithClients(
  'a gate that allows all conforms as docker-registry does',
  ['docker-registry'],
  () => {
    const scope = suiteScope();
    let gate: Service;
    beforeAll(async () => {
      const upstream = scope.own(await startDockerRegistry(join(scope.folder(), 'registry')));
      const site = createSite(join(scope.folder(), 'site'));
      site.policy(ALLOW_ALL);
      gate = scope.own(await startService(site, { upstream: upstream.url }));
    });
    const expected = [...KNOWN_TO_FAIL].filter((title) => !RIGHT_AT_THE_GATE.has(title));
    describeConformance(() => gate.url, new Set(expected));
  },
);

describeWithClients('a gate that allows all conforms before the embedded registry', [], () => {
  const scope = suiteScope();
  let gate: Service;
  beforeAll(async () => {
    const site = createSite(join(scope.folder(), 'site'));
    site.policy(ALLOW_ALL);
    gate = scope.own(await startService(site));
  });
  describeConformance(() => gate.url);
});
