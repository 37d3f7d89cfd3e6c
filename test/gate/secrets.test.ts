import { describe, expect, it } from 'vitest';
import { attackedGates, as, PASSWORD } from '../support/attacked.ts';
import { buildImage, pushImage } from '../support/image.ts';
import { answerError } from '../support/wire-server.ts';

const CANARY = 'canary-6d1f0c';
const ACCESS = `  - { repositories: ["\${registry}/team/**"], pull: [ci], push: [ci], admin: [boss] }\n`;

describe('secrets', () => {
  const attacked = attackedGates();

  for (const access of [undefined, ACCESS]) {
    it(`stay out of logs, metrics and answers, ${access === undefined ? 'passed on' : 'checked here'} (T-78)`, async () => {
      const gate = await attacked({
        policy: 'push: allow',
        ...(access === undefined ? {} : { access }),
      });
      const secrets = [
        { authorization: `Basic ${Buffer.from(`ci:${CANARY}`).toString('base64')}` },
        { authorization: `Bearer ${CANARY}` },
        { authorization: CANARY, cookie: CANARY, 'x-canary': CANARY },
        as('ci'),
      ];
      await pushImage(gate.url, 'team/app', buildImage(), '1', as('ci'));
      let said = '';
      for (const broken of [0, 1, 2]) {
        gate.fault((request, response) => {
          if (broken === 0) return false;
          if (broken === 1) response.destroy();
          else answerError(response, 500, 'UNKNOWN', `echo ${request.headers.authorization}`);
          return true;
        });
        for (const headers of secrets) {
          for (const target of [
            '/v2/',
            '/v2/team/app/manifests/1',
            `/v2/team/app/blobs/uploads/?digest=${CANARY}`,
            `/v2/team/app/tags/list?token=${CANARY}`,
            `/api/v1/holds?image=${CANARY}`,
          ]) {
            for (const method of ['GET', 'POST', 'PUT']) {
              await gate.call(method, target, { headers, body: '{}' }).catch(() => null);
            }
          }
        }
      }
      gate.fault(null);
      said += (await gate.call('GET', '/metrics')).text + (await gate.call('GET', '/readyz')).text;
      said += gate.logs();
      expect(said).not.toBe('');
      for (const secret of [
        CANARY,
        PASSWORD,
        ...secrets.map((one) => one.authorization.split(' ').at(-1) ?? ''),
      ]) {
        expect(said).not.toContain(secret);
      }
    });
  }
});
