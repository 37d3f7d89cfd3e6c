import { beforeAll } from 'vitest';
import { describeConformance } from '../support/conformance.ts';
import { KNOWN_TO_FAIL } from '../support/conformance/docker-registry.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { DockerRegistry } from '../support/docker-registry.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { suiteScope } from '../support/scope.ts';

// The table is checked against a registry that is not ours: a row that only our own registry could
// pass would prove little. test/registry/conformance.test.ts runs it against the embedded one.
describeWithClients('docker-registry and the conformance table', ['docker-registry'], () => {
  const scope = suiteScope();
  let registry: DockerRegistry;
  beforeAll(async () => {
    registry = scope.own(await startDockerRegistry(scope.folder()));
  });
  describeConformance(() => registry.url, KNOWN_TO_FAIL);
});
