import { gateCases } from '../support/gate-cases.ts';
import { skopeoClient } from '../support/gate-clients/skopeo.ts';

gateCases(skopeoClient('skopeo'));
gateCases(skopeoClient('skopeo-1.18'));
