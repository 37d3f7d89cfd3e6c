import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Point } from '@noble/ed25519';
import { describe, expect, it } from 'vitest';
import { parsePublicKey } from '../../src/keys/public-key.ts';
import { unwrap } from '../../src/lib/result.ts';
import { EXAMPLE_KEYS } from '../../src/policy/example-keys.ts';

const POLICIES = join(import.meta.dirname, '..', '..', 'policies');
const SPKI_ED25519 = Buffer.from('302a300506032b6570032100', 'hex');

/** The first hash of the sentence that is a point of the prime-order group: nobody can know its private half. */
function pointOutOfAHash(name: string): Buffer {
  for (let n = 0; n < 1000; n++) {
    const y = createHash('sha256').update(`countersign example key ${name} ${n}`).digest();
    y[31] = (y[31] ?? 0) & 0x7f;
    try {
      const point = Point.fromBytes(y);
      if (point.isTorsionFree() && !point.isSmallOrder()) return y;
    } catch {
      continue;
    }
  }
  throw new Error(`expected a point within 1000 hashes of ${name}`);
}

const files = readdirSync(POLICIES, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.pub'),
);

describe('the keys of the starter policies', () => {
  it('are there', () => {
    expect(new Set(files.map((name) => basename(name, '.pub')))).toEqual(
      new Set(Object.keys(EXAMPLE_KEYS)),
    );
  });

  it.each(files)('%s came out of a hash, so that nobody holds its private half', (file) => {
    const name = basename(file, '.pub');
    const key = unwrap(parsePublicKey(readFileSync(join(POLICIES, file))));
    const spki = key.key.export({ type: 'spki', format: 'der' });
    expect(spki.toString('hex')).toBe(
      Buffer.concat([SPKI_ED25519, pointOutOfAHash(name)]).toString('hex'),
    );
    expect(key.id).toBe(EXAMPLE_KEYS[name]);
  });
});
