import { gateCases } from '../support/gate-cases.ts';
import { podmanClient } from '../support/gate-clients/podman.ts';

gateCases(podmanClient);
