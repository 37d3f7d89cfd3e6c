import { constants, verify } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { generateKey } from '../../src/keys/generate.ts';
import type { KeyType, Signer } from '../../src/keys/key.ts';
import { keyStore } from '../../src/keys/key-store.ts';
import { cosignKeyFile, pkcs8KeyFile } from '../../src/keys/private-key-file.ts';
import type { SignerPorts } from '../../src/keys/signers.ts';
import { SIGNER_KINDS, openSigner } from '../../src/keys/signers.ts';
import { verifySignature } from '../../src/keys/verify.ts';
import { suiteScope } from '../support/scope.ts';

const PASSPHRASE = 'correct horse';
const TYPES: readonly KeyType[] = ['ed25519', 'ecdsa-p256', 'ecdsa-p384', 'rsa'];

/** One way of having a signer: makes a key of the type, and returns what `--key` says to open it. */
interface Case {
  readonly title: string;
  readonly scheme: string | null;
  readonly prepare: (type: KeyType, ports: SignerPorts, folder: string) => Promise<string>;
}

const CASES: readonly Case[] = [
  {
    title: 'a name of the key store',
    scheme: null,
    prepare: async (type, { dockerConfig }) => {
      await keyStore(dockerConfig).add(await generateKey(type), `the-${type}`, PASSPHRASE);
      return `the-${type}`;
    },
  },
  {
    title: 'a PKCS#8 file',
    scheme: null,
    prepare: async (type, _, folder) => {
      const path = join(folder, `${type}.pem`);
      writeFileSync(path, pkcs8KeyFile(await generateKey(type)), { mode: 0o600 });
      return path;
    },
  },
  {
    title: "cosign's key file",
    scheme: null,
    prepare: async (type, _, folder) => {
      const path = join(folder, `${type}-cosign.key`);
      writeFileSync(path, await cosignKeyFile(await generateKey(type), PASSPHRASE), {
        mode: 0o600,
      });
      return path;
    },
  },
];

describe('every kind of signer', () => {
  it('has a case here', () => {
    const schemes = new Set(CASES.map((one) => one.scheme));
    expect(SIGNER_KINDS.filter((kind) => !schemes.has(kind.scheme))).toEqual([]);
  });
});

describe.each(CASES)('a signer from $title', ({ prepare }) => {
  const scope = suiteScope();

  describe.each(TYPES)('of type %s', (type) => {
    const message = Buffer.from(`what is signed by ${type}`);
    let reference: string;
    let ports: SignerPorts;
    let signer: Signer;
    beforeAll(async () => {
      const folder = scope.folder();
      ports = {
        dockerConfig: join(folder, 'docker'),
        passphrase: () => Promise.resolve(PASSPHRASE),
      };
      reference = await prepare(type, ports, folder);
      signer = await openSigner(reference, ports);
    });

    it('signs what verifies by our own check and by node directly', async () => {
      const signature = await signer.sign(message);
      expect(signer.publicKey.type).toBe(type);
      expect(verifySignature(signer.publicKey, message, signature)).toBe(true);
      const { key } = signer.publicKey;
      const direct =
        type === 'ed25519'
          ? verify(null, message, key, signature)
          : verify('sha256', message, { key, padding: constants.RSA_PKCS1_PADDING }, signature);
      expect(direct).toBe(true);
    });

    it('signs no other message', async () => {
      const signature = await signer.sign(message);
      const other = Buffer.from(`${message.toString()}!`);
      expect(verifySignature(signer.publicKey, other, signature)).toBe(false);
      expect(verifySignature(signer.publicKey, Buffer.alloc(0), signature)).toBe(false);
    });

    it('has the same public key whenever it is opened', async () => {
      const again = await openSigner(reference, ports);
      expect(again.publicKey.id).toBe(signer.publicKey.id);
      expect(again.publicKey.key.equals(signer.publicKey.key)).toBe(true);
    });

    it('signs many messages at once, each its own', async () => {
      const messages = Array.from({ length: 20 }, (_, n) => Buffer.from(`message ${n}`));
      const signatures = await Promise.all(messages.map((text) => signer.sign(text)));
      for (const [n, signature] of signatures.entries()) {
        const right = messages.map((text) => verifySignature(signer.publicKey, text, signature));
        expect(right).toEqual(messages.map((_, m) => m === n));
      }
    });

    it('takes the empty message and a large one', async () => {
      for (const text of [Buffer.alloc(0), Buffer.alloc(65_536, 1)]) {
        const signature = await signer.sign(text);
        expect(verifySignature(signer.publicKey, text, signature)).toBe(true);
      }
    });
  });
});
