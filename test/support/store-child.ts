import { createHash } from 'node:crypto';
import { openStore } from '../../src/store/open.ts';
import type { LogName, Write } from '../../src/store/store.ts';

// A service that appends without end, so that a test can kill it: `node store-child.ts DATA RUN` prints
// `KEY LOG INDEX` for each event that was acknowledged.
const [data = '', run = ''] = process.argv.slice(2);
const store = await openStore({ data, store: 'sqlite', clock: () => new Date() });
process.stdout.write('ready\n');
for (let lane = 0; lane < 8; lane++) void append(lane);

/** An event that carries its own key, so that a reader can tell which one it is. */
function keyed(key: Buffer, log: LogName): Write {
  const about = { repository: null, tag: null, digest: null, actor: 'child' };
  const data = { key: key.toString('hex') };
  return { kind: 'event', event: { log, type: 'signature', ...about, data, idempotencyKey: key } };
}

async function append(lane: number): Promise<void> {
  for (let n = 0; ; n++) {
    const key = createHash('sha256').update(`${run}-${lane}-${n}`).digest();
    const { events } = await store.commit([keyed(key, lane % 2 === 0 ? 'sig' : 'dec')]);
    process.stdout.write(`${key.toString('hex')} ${events[0]?.log} ${events[0]?.index}\n`);
  }
}
