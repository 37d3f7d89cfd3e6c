import type { ClientName } from './clients.ts';
import { describeWithClients } from './describe-with-clients.ts';
import type { GateClient } from './gate-client.ts';
import { indexCases } from './gate-cases/index-cases.ts';
import { pullCases } from './gate-cases/pull-cases.ts';
import { pushCases } from './gate-cases/push-cases.ts';
import { gateStage } from './gate-stage.ts';
import type { Backend } from './guarded.ts';
import { BACKENDS } from './guarded.ts';

/**
 * The cases that every container client meets at the gate, in front of each of the backends. The first is
 * the positive control: a client that refuses everything would pass all the others.
 */
export function gateCases(client: GateClient, backends: readonly Backend[] = BACKENDS): void {
  for (const backend of backends) {
    const needs: ClientName[] = [...client.needs];
    if (backend === 'docker-registry') needs.push(backend);
    if (client.identified === true) needs.push('htpasswd');
    describeWithClients(`${client.name} through the gate in front of ${backend}`, needs, () => {
      const stage = gateStage(client, backend);
      pullCases(stage);
      pushCases(stage);
      indexCases(stage);
    });
  }
}
