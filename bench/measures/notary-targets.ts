import { join } from 'node:path';
import { Pool } from 'undici';
import { sha256Hex } from '../../src/lib/bytes.ts';
import { trustPath } from '../../test/support/trust-http.ts';
import { startTrustServer } from '../../test/support/trust-server.ts';
import { tag } from '../../test/support/tuf.ts';
import type { Figure, Measure } from '../support/measure.ts';
import { median, timed } from '../support/measure.ts';
import { beginRepository } from '../support/notary.ts';

const TARGETS = 10_000;
const ASKED = 300;
const MOST_MS = 10;

const POLICY = `version: 1
policies:
  - name: bench
    images: ["\${registry}/**"]
    mode: enforce
    push: hold
    tags: signed
    require:
      - signatures: { by: ["@repository"], formats: [dct] }
`;

/** One repository of ten thousand tags: what the gate says of them, and what those read who list them. */
export const notaryTargets: Measure = {
  name: 'notary-targets',
  about:
    `A repository of ${TARGETS} signed tags, in a warm service: time from request to answer of ${ASKED} ` +
    'requests one after the other, over one connection on loopback.',
  needs: [],
  run: async (folder) => {
    const registry = 'registry.example.com';
    const server = await startTrustServer(join(folder, 'server'), 'countersign', {
      registry,
      policy: POLICY,
    });
    const pool = new Pool(server.url, { connections: 1, connect: { ca: server.authority.ca } });
    try {
      const publisher = await beginRepository(server, 'many');
      const names = Array.from({ length: TARGETS }, (_, n) => `v${n}`);
      const tags = Object.fromEntries(names.map((name) => [name, tag(name)]));
      const targets = await publisher.targets(2, tags);
      const published = await server.http.publish(publisher.gun, [['targets', targets]]);
      if (published.status !== 200) throw new Error(`publish: ${published.status}`);
      const decide = async (name: string): Promise<void> => {
        const answer = await pool.request({
          method: 'POST',
          path: '/api/v1/decisions',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ image: `${publisher.gun}:${name}`, action: 'pull' }),
        });
        const said = (await answer.body.json()) as { decision?: string };
        if (said.decision !== 'allow') throw new Error(`${name}: ${JSON.stringify(said)}`);
      };
      const read = (file: string) => async (): Promise<void> => {
        const answer = await pool.request({ method: 'GET', path: trustPath(publisher.gun, file) });
        await answer.body.dump({ limit: Number.MAX_SAFE_INTEGER });
        if (answer.statusCode !== 200) throw new Error(`${file}: ${answer.statusCode}`);
      };
      await decide('v0');
      return [
        ...(await times('decision, the same tag', () => decide('v0'))),
        ...(await times('decision, another tag each time', (n) => decide(`v${n + 1}`))),
        ...(await times('timestamp.json', read('timestamp.json'))),
        ...(await times('targets.json, all tags', read('targets.json'))),
        ...(await times('targets by hash, all tags', read(`targets.${sha256Hex(targets)}.json`))),
      ];
    } finally {
      await pool.close();
      await server.stop();
    }
  },
};

async function times(name: string, ask: (n: number) => Promise<void>): Promise<Figure[]> {
  const samples: number[] = [];
  for (let n = 0; n < ASKED; n++) samples.push(await timed(() => ask(n)));
  const sorted = samples.toSorted((a, b) => a - b);
  return [
    {
      name: `${name}, p50`,
      value: median(samples),
      unit: 'ms',
      bound: { at: 'most', value: MOST_MS },
      samples,
    },
    { name: `${name}, p99`, value: sorted[Math.floor(ASKED * 0.99)] ?? Number.NaN, unit: 'ms' },
  ];
}
