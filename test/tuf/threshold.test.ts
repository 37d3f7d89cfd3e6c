import { constants, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { KeyType } from '../../src/keys/key.ts';
import { unwrap } from '../../src/lib/result.ts';
import { buildTargets } from '../../src/tuf/build-files.ts';
import type { Envelope } from '../../src/tuf/envelope.ts';
import { parseEnvelope } from '../../src/tuf/envelope.ts';
import { parseTufKey, tufKeyId, tufKeyOf } from '../../src/tuf/public-key.ts';
import { verifyTufSignature } from '../../src/tuf/signature.ts';
import { parseTargets } from '../../src/tuf/targets.ts';
import { verifyThreshold } from '../../src/tuf/threshold.ts';
import { rootCertificateKey } from '../../src/tuf/root-certificate.ts';
import type { Hand } from '../support/tuf.ts';
import { GUN, NOW, makeHand, resign, roleOf } from '../support/tuf.ts';

const EMPTY = { targets: new Map(), delegations: [] };
const signedBy = async (...signers: Hand[]): Promise<Envelope> =>
  unwrap(parseEnvelope(await buildTargets(EMPTY, { version: 1, expires: NOW, signers })));

let hands: readonly Hand[];
beforeAll(async () => {
  const types: readonly KeyType[] = ['ed25519', 'ecdsa-p256', 'ecdsa-p384', 'rsa'];
  hands = await Promise.all(types.map((type) => makeHand(type)));
});
const hand = (index: number): Hand => hands[index] as Hand;

describe('thresholds', () => {
  it('keys of every type sign and are counted, each once', async () => {
    const envelope = await signedBy(...hands, ...hands);
    expect(verifyThreshold(envelope, roleOf('targets', hands, 4)).ok).toBe(true);
    expect(verifyThreshold(envelope, roleOf('targets', hands, 5))).toMatchObject({
      refusal: { message: 'valid signatures did not meet threshold for targets' },
    });
  });

  it('T-14: one key under two ids counts once', async () => {
    const key = hand(1);
    const wrapped = unwrap(await rootCertificateKey(GUN, key.signer, NOW));
    const other: Hand = { ...key, key: wrapped, keyid: wrapped.id };
    expect(other.keyid).not.toBe(key.keyid);
    const envelope = await signedBy(key, other);
    expect(verifyThreshold(envelope, roleOf('targets', [key, other], 1)).ok).toBe(true);
    expect(verifyThreshold(envelope, roleOf('targets', [key, other], 2)).ok).toBe(false);
  });

  it('T-14: a compressed point is the same key', async () => {
    const key = hand(1);
    const point = Buffer.from(key.key.public, 'base64').subarray(27);
    const head = Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex');
    const compressed = Buffer.concat([
      head,
      Buffer.from([2 + ((point.at(-1) ?? 0) & 1)]),
      point.subarray(0, 32),
    ]);
    const text = compressed.toString('base64');
    const id = tufKeyId('ecdsa', text);
    const other: Hand = {
      ...key,
      keyid: id,
      key: unwrap(parseTufKey(id, { keytype: 'ecdsa', keyval: { public: text } })),
    };
    expect(other.key.key?.id).toBe(key.key.key?.id);
    expect(verifyThreshold(await signedBy(key, other), roleOf('targets', [key, other], 2)).ok).toBe(
      false,
    );
  });

  it('T-15: nobody is never enough', async () => {
    const envelope = await signedBy(hand(0));
    for (const threshold of [0, -1, Number.NaN]) {
      expect(verifyThreshold(envelope, roleOf('targets', hands, threshold)).ok).toBe(false);
    }
    expect(
      verifyThreshold({ ...envelope, signatures: [] }, roleOf('targets', hands)),
    ).toMatchObject({
      refusal: { message: 'tuf: data has no signatures' },
    });
  });

  it('T-15: a delegation with a threshold that is no integer from 1 up is refused', async () => {
    const bytes = await buildTargets(EMPTY, { version: 1, expires: NOW, signers: [hand(0)] });
    const wrong = fc.oneof(
      fc.integer({ max: 0 }),
      fc.constantFrom('1', null, true, [], {}, 2 ** 31),
    );
    await fc.assert(
      fc.asyncProperty(wrong, async (threshold) => {
        const roles = [{ name: 'targets/a', keyids: [], threshold, paths: [''] }];
        const file = await resign(bytes, { delegations: { keys: {}, roles } }, [hand(0)]);
        const parsed = parseTargets(unwrap(parseEnvelope(file)), 'targets');
        expect(parsed).toMatchObject({
          refusal: {
            message: expect.stringMatching(/invalid threshold specified for targets\/a/) as string,
          },
        });
      }),
    );
  });

  it('counts as many keys as signed rightly, whoever else signed', async () => {
    const subset = fc.subarray([0, 1, 2, 3]);
    await fc.assert(
      fc.asyncProperty(
        subset,
        subset,
        fc.integer({ min: 1, max: 5 }),
        async (listed, signing, threshold) => {
          const envelope = await signedBy(...signing.map(hand));
          const right = signing.filter((index) => listed.includes(index)).length;
          const role = roleOf('targets', listed.map(hand), threshold);
          expect(verifyThreshold(envelope, role).ok).toBe(right >= threshold);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('T-25: the method must fit the key, whatever it says', async () => {
    const methods = [
      'ecdsa',
      'eddsa',
      'rsapss',
      'rsapkcs1v15',
      'hmac',
      'none',
      '',
      'pycrypto-pkcs#1 pss',
    ];
    const fitting = ['eddsa', 'ecdsa', 'ecdsa', 'rsapkcs1v15'];
    for (const [index, key] of hands.entries()) {
      const { signatures, message } = await signedBy(key);
      const [signature] = signatures;
      for (const method of methods) {
        const verified = verifyTufSignature(
          key.key.key as NonNullable<typeof key.key.key>,
          method,
          message,
          signature?.sig ?? Buffer.of(),
        );
        expect([key.key.keytype, method, verified]).toEqual([
          key.key.keytype,
          method,
          method === fitting[index],
        ]);
      }
    }
  });

  it('signatures of other lengths or encodings are refused', async () => {
    for (const key of hands) {
      const { signatures, message } = await signedBy(key);
      const { method = '', sig = Buffer.of() } = signatures[0] ?? {};
      const publicKey = key.key.key as NonNullable<typeof key.key.key>;
      const der = Buffer.from(await key.signer.sign(message));
      const others = [
        Buffer.of(),
        sig.subarray(1),
        Buffer.concat([sig, Buffer.of(0)]),
        Buffer.concat([Buffer.of(0), sig]),
      ];
      if (method === 'ecdsa') others.push(der);
      expect(verifyTufSignature(publicKey, method, message, sig)).toBe(true);
      expect(
        others.map((one) => verifyTufSignature(publicKey, method, message, one)),
      ).not.toContain(true);
    }
  });

  it('RSA-PSS with a salt of 32 bytes verifies, and no other salt', () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const text = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
    const id = tufKeyId('rsa', text);
    const { key } = unwrap(
      parseTufKey(id, { keytype: 'rsa', keyval: { private: null, public: text } }),
    );
    const message = Buffer.from('signed');
    const verified = [20, 32, 64].map((saltLength) => {
      const sig = sign('sha256', message, {
        key: privateKey,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength,
      });
      return key !== null && verifyTufSignature(key, 'rsapss', message, sig);
    });
    expect(verified).toEqual([false, true, false]);
  });
});

describe('listed keys', () => {
  const spki = (bits: number): string =>
    generateKeyPairSync('rsa', { modulusLength: bits })
      .publicKey.export({ type: 'spki', format: 'der' })
      .toString('base64');
  const listed = (keytype: string, text: string) =>
    parseTufKey(tufKeyId(keytype, text), { keytype, keyval: { private: null, public: text } });

  it('an RSA key below 2048 bits never counts', () => {
    expect(unwrap(listed('rsa', spki(1024))).key).toBeNull();
    expect(unwrap(listed('rsa', spki(2048))).key).not.toBeNull();
  });

  it('T-25: a key is only what its listing says that it is', () => {
    const ec = hand(1).key.public;
    const pem = (name: string) =>
      readFileSync(join(import.meta.dirname, '../vectors/tuf/certificates', name)).toString(
        'base64',
      );
    expect(unwrap(listed('rsa', ec)).key).toBeNull();
    expect(unwrap(listed('ecdsa', spki(2048))).key).toBeNull();
    expect(unwrap(listed('ed25519', ec)).key).toBeNull();
    expect(unwrap(listed('ecdsa-x509', pem('rsa-2048.pem'))).key).toBeNull();
    expect(unwrap(listed('rsa-x509', pem('plain.pem'))).key).toBeNull();
    expect(unwrap(listed('rsa-x509', pem('rsa-2048.pem'))).key?.type).toBe('rsa');
    expect(unwrap(listed('x25519', ec)).key).toBeNull();
  });

  it('a key under another id than its own, or with a private half, is refused', () => {
    const { public: text } = hand(0).key;
    const value = { keytype: 'ed25519', keyval: { private: null, public: text } };
    expect(parseTufKey('0'.repeat(64), value)).toMatchObject({
      refusal: { message: 'key ID is not valid for key content' },
    });
    const leaked = { ...value, keyval: { private: 'c2VjcmV0', public: text } };
    expect(parseTufKey(hand(0).keyid, leaked).ok).toBe(false);
  });

  it('a key of this program is listed as the one that Notary reads', () => {
    for (const { key, signer } of hands) {
      const again = unwrap(listed(key.keytype, key.public));
      expect(again).toMatchObject({
        id: tufKeyOf(signer.publicKey).id,
        key: { id: signer.publicKey.id },
      });
      expect(
        createPublicKey(again.key?.key.export({ type: 'spki', format: 'pem' }) ?? '')
          .asymmetricKeyType,
      ).toBeDefined();
    }
  });
});
