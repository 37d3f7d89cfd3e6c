import { describe, expect, it } from 'vitest';
import { CountersignError } from '../../../src/lib/errors.ts';
import { unwrap } from '../../../src/lib/result.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { parseRepository } from '../../../src/oci/reference.ts';
import { signCosign } from '../../../src/trust/cosign/sign.ts';
import { verifyCosign } from '../../../src/trust/cosign/verify.ts';
import { MemoryEvidence } from '../../support/evidence.ts';
import type { TestSigner } from '../../support/signer.ts';
import { testSigner } from '../../support/signer.ts';

const repository = unwrap(parseRepository('registry.example.com/app'));
const subject = { repository, digest: digestOf(Buffer.from('image')) };
const tag = `${subject.digest.replace(':', '-')}.sig`;
const [alice, bob] = [testSigner(), testSigner()];
const now = new Date('2026-11-21T03:04:05.678Z');

async function sign(store: MemoryEvidence, signer: TestSigner = alice): Promise<boolean> {
  const request = { ...subject, tag: '1', annotations: {} };
  return (await signCosign(request, signer, store, () => now)).written;
}

async function validFor(store: MemoryEvidence, signer: TestSigner): Promise<number> {
  const keys = [{ name: 'signer', keys: [signer.publicKey] }];
  const found = await verifyCosign(subject, store, keys);
  return found.filter((finding) => finding.status === 'valid').length;
}

describe('signing in cosign’s format', () => {
  it('says when, in whole seconds', async () => {
    const store = new MemoryEvidence();
    await sign(store);
    const keys = [{ name: 'signer', keys: [alice.publicKey] }];
    expect(await verifyCosign(subject, store, keys)).toMatchObject([
      { signedAt: { time: new Date('2026-11-21T03:04:05Z'), trusted: false } },
    ]);
  });

  it('writes again what another writer has overwritten, and keeps what that one wrote', async () => {
    const store = new MemoryEvidence();
    await sign(store, bob);
    const rival = store.tags.get(tag) ?? subject.digest;
    let overwritten = 0;
    store.fault = ({ op, reference }) => {
      // Between our write and our look: the rival's write lands last, twice.
      const after = store.calls.at(-2)?.op === 'putManifest';
      if (op !== 'manifest' || reference !== tag || !after || overwritten === 2) return;
      overwritten++;
      store.tags.set(tag, rival);
    };
    expect(await sign(store)).toBe(true);
    expect(overwritten).toBe(2);
    expect([await validFor(store, alice), await validFor(store, bob)]).toEqual([1, 1]);
  });

  it('tries again where the registry mixes up two writers, and gives up on any other refusal', async () => {
    const store = new MemoryEvidence();
    const refuse = (code: 'DIGEST_INVALID' | 'FORBIDDEN', times: number): void => {
      store.fault = ({ op }) => {
        if (op === 'putManifest' && times-- > 0) throw new CountersignError(code, 'no');
      };
    };
    refuse('FORBIDDEN', 1);
    await expect(sign(store)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    refuse('DIGEST_INVALID', 2);
    expect(await sign(store)).toBe(true);
    expect(await validFor(store, alice)).toBe(1);
  });

  it('is not kept from signing by a foreign payload that cannot be read', async () => {
    const store = new MemoryEvidence();
    await sign(store, bob);
    const [foreign] = store.blobs.keys();
    store.fault = ({ op, reference }) => {
      if (op === 'blob' && reference === foreign) {
        throw new CountersignError('UPSTREAM_UNAVAILABLE', 'no answer');
      }
    };
    expect(await sign(store)).toBe(true);
    store.fault = () => undefined;
    expect(await validFor(store, alice)).toBe(1);
  });

  it('refuses a sha512 digest, whose signature tag no registry takes', async () => {
    const digest = digestOf(Buffer.from('image'), 'sha512');
    const request = { repository, digest, tag: '1', annotations: {} };
    const store = new MemoryEvidence();
    await expect(signCosign(request, alice, store, () => now)).rejects.toMatchObject({
      code: 'DIGEST_INVALID',
    });
    expect(store.calls).toEqual([]);
  });
});
