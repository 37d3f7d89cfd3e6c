import { gateCases } from '../support/gate-cases.ts';
import { buildahClient } from '../support/gate-clients/buildah.ts';

// podman, of the same library, meets the embedded registry.
gateCases(buildahClient, ['docker-registry']);
