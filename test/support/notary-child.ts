import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pino from 'pino';
import { createNotary } from '../../src/notary/create-notary.ts';
import { loadMasterKey } from '../../src/notary/master-key.ts';
import type { Repository } from '../../src/oci/reference.ts';
import { openStore } from '../../src/store/open.ts';

// A service that publishes without end, so that a test can kill it: `node notary-child.ts DATA UPLOADS
// GUN VERSION` publishes UPLOADS/VERSION.json and those after it, and prints each version that was
// acknowledged.
const [data = '', uploads = '', gun = '', first = ''] = process.argv.slice(2);
const clock = (): Date => new Date();
const store = await openStore({ data, store: 'sqlite', clock });
const notary = createNotary({
  store,
  clock,
  log: pino({ level: 'silent' }),
  masterKey: await loadMasterKey({ file: join(data, 'master.key'), make: false }),
  keyType: 'ecdsa-p256',
  pinnedRoots: () => null,
});
process.stdout.write('ready\n');
for (let version = Number(first); ; version++) {
  const bytes = readFileSync(join(uploads, `${version}.json`));
  const outcome = await notary.publish({
    repository: gun as Repository,
    parts: [{ role: 'targets', bytes }],
    actor: 'child',
    mayPush: true,
  });
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.refusal));
  process.stdout.write(`${version}\n`);
}
