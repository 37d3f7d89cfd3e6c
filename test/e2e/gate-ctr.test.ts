import { gateCases } from '../support/gate-cases.ts';
import { ctrClient } from '../support/gate-clients/ctr.ts';

gateCases(ctrClient('ctr'));
gateCases(ctrClient('ctr-new'), ['docker-registry']);
