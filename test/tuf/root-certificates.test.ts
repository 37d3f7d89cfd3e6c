import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { unwrap } from '../../src/lib/result.ts';
import { buildRoot } from '../../src/tuf/build-files.ts';
import { parseCertificate } from '../../src/tuf/certificate.ts';
import { parseEnvelope } from '../../src/tuf/envelope.ts';
import { parseTufKey, tufKeyId } from '../../src/tuf/public-key.ts';
import { matchesGun, rootCertificateExpiry, rootSigners } from '../../src/tuf/root-certificates.ts';
import type { Root } from '../../src/tuf/root.ts';
import { parseRoot } from '../../src/tuf/root.ts';
import type { Hand } from '../support/tuf.ts';
import { GUN, NOW, makeHand, roleOf } from '../support/tuf.ts';

const FOLDER = join(import.meta.dirname, '../vectors/tuf/certificates');
let plain: Hand;
beforeAll(async () => {
  plain = await makeHand();
});

/** A root whose root key is the bundle in the file; who signed it does not matter here. */
async function rootWith(
  file: string,
  keytype = file.startsWith('rsa') ? 'rsa-x509' : 'ecdsa-x509',
): Promise<Root> {
  const text = readFileSync(join(FOLDER, file)).toString('base64');
  const keyid = tufKeyId(keytype, text);
  const key = unwrap(parseTufKey(keyid, { keytype, keyval: { private: null, public: text } }));
  const other = roleOf('other', [plain]);
  const roles = {
    root: roleOf('root', [{ ...plain, keyid, key }]),
    targets: other,
    snapshot: other,
    timestamp: other,
  };
  const bytes = await buildRoot(roles, { version: 1, expires: NOW, signers: [plain] });
  return unwrap(parseRoot(unwrap(parseEnvelope(bytes))));
}

const COUNTS = [
  'leaf-and-intermediate.pem',
  'p384.pem',
  'plain.pem',
  'rsa-2048.pem',
  'wildcard.pem',
];

describe('root certificates', () => {
  it('T-19: count where they are sound, for the repository, and within their dates', async () => {
    const counted: string[] = [];
    for (const file of readdirSync(FOLDER)) {
      if (rootSigners(await rootWith(file), GUN, NOW).size > 0) counted.push(file);
    }
    expect(counted.toSorted()).toEqual(COUNTS);
  });

  it('T-18, T-19: do not count outside their dates, unless the root is only being replaced', async () => {
    for (const file of COUNTS) {
      const root = await rootWith(file);
      const days = [
        '2026-11-19T00:00:00Z',
        '2026-11-21T00:00:00Z',
        '2036-11-18T00:00:00Z',
        '2036-11-19T00:00:00Z',
      ];
      const counts = days.map((day) => rootSigners(root, GUN, new Date(day)).size);
      expect([file, counts]).toEqual([file, [0, 1, 1, 0]]);
      expect(rootSigners(root, GUN, null).size).toBe(1);
      expect(rootCertificateExpiry(root)?.toISOString()).toMatch('2036-11-18T08:24:');
    }
  });

  it('a plain key never vouches for a root', async () => {
    const root = await rootWith('plain.pem');
    const bare = { ...root, roles: { ...root.roles, root: roleOf('root', [plain]) } };
    expect(rootSigners(bare, GUN, NOW).size).toBe(0);
    expect(rootCertificateExpiry(bare)).toBeNull();
  });

  it('are named by the GUN whole, or by a prefix of it before the star', () => {
    expect(matchesGun('registry.example.com/team/*', GUN)).toBe(true);
    expect(matchesGun('registry.example.com/te*', GUN)).toBe(true);
    expect(matchesGun(GUN, GUN)).toBe(true);
    expect(matchesGun('registry.example.com/team/ap', GUN)).toBe(false);
    expect(matchesGun('registry.example.com/*/app', GUN)).toBe(false);
    expect(matchesGun('', GUN)).toBe(false);
  });

  it('any byte of a certificate may be wrong without a throw', () => {
    const pem = readFileSync(join(FOLDER, 'plain.pem'), 'utf8');
    const der = Buffer.from(pem.replaceAll(/-----.*-----|\n/g, ''), 'base64');
    expect(parseCertificate(der)?.commonName).toBe(GUN);
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(der);
        changed[at] = (changed[at] ?? 0) ^ flip;
        parseCertificate(changed);
        parseCertificate(der.subarray(0, at));
        return true;
      }),
    );
  });
});
