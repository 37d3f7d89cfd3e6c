import { gateCases } from '../support/gate-cases.ts';
import { orasClient } from '../support/gate-clients/oras.ts';

gateCases(orasClient);
