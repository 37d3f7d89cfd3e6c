import { gateCases } from '../support/gate-cases.ts';
import { craneClient } from '../support/gate-clients/crane.ts';

gateCases(craneClient);
