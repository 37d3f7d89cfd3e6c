import { describe, expect, it } from 'vitest';
import { constants, createHmac, createSign } from 'node:crypto';
import { unwrap } from '../../../src/lib/result.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import type { Descriptor } from '../../../src/oci/manifest.ts';
import { MEDIA } from '../../../src/oci/media-types.ts';
import { parseRepository } from '../../../src/oci/reference.ts';
import type { Finding } from '../../../src/trust/format.ts';
import { signatureLayer } from '../../../src/trust/cosign/manifest.ts';
import { makePayload } from '../../../src/trust/cosign/payload.ts';
import { verifyCosign } from '../../../src/trust/cosign/verify.ts';
import { MemoryEvidence } from '../../support/evidence.ts';
import type { TestSigner } from '../../support/signer.ts';
import { testSigner } from '../../support/signer.ts';

const repository = unwrap(parseRepository('registry.example.com/app'));
const subject = { repository, digest: digestOf(Buffer.from('image')) };
const tag = `${subject.digest.replace(':', '-')}.sig`;
const payload = makePayload({
  ...subject,
  tag: '1',
  annotations: {},
  creator: null,
  timestamp: null,
});
const alice = testSigner();

async function verify(
  bytes: Uint8Array,
  layer: Descriptor | object,
  signer: TestSigner = alice,
): Promise<readonly Finding[]> {
  const source = new MemoryEvidence();
  source.keep(bytes);
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    config: layer,
    layers: [layer],
  };
  source.store(tag, Buffer.from(JSON.stringify(manifest)), MEDIA.ociManifest);
  return verifyCosign(subject, source, [{ name: 'alice', keys: [signer.publicKey] }]);
}

describe('verifying cosign signatures', () => {
  it('accepts a good one', async () => {
    const layer = signatureLayer(payload, await alice.sign(payload));
    expect(await verify(payload, layer)).toMatchObject([{ status: 'valid', signedAt: null }]);
  });

  it('takes no key from the annotations (T-08)', async () => {
    const mallory = testSigner();
    const layer = signatureLayer(payload, await mallory.sign(payload));
    const annotations = {
      ...layer.annotations,
      'dev.sigstore.cosign/certificate': mallory.publicPem,
      'dev.sigstore.cosign/chain': mallory.publicPem,
      'dev.sigstore.cosign/bundle': JSON.stringify({
        Payload: { body: Buffer.from(mallory.publicPem).toString('base64') },
      }),
    };
    expect(await verify(payload, { ...layer, annotations })).toMatchObject([
      { status: 'invalid', authority: null },
    ]);
  });

  it('takes no algorithm from the signer (T-25)', async () => {
    const rsa = testSigner('rsa');
    const pss = createSign('sha256')
      .update(payload)
      .sign({ key: rsa.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING });
    const hmac = createHmac('sha256', rsa.publicPem).update(payload).digest();
    for (const signature of [pss, hmac, Buffer.alloc(256)]) {
      expect(await verify(payload, signatureLayer(payload, signature), rsa)).toMatchObject([
        { status: 'invalid' },
      ]);
    }
  });

  it.each(['', ' ', 'c2ln\n', 'c2ln====', 'c2 ln', 'c2-n', 'A'.repeat(5000)])(
    'refuses %j as signature',
    async (text) => {
      const layer = {
        ...signatureLayer(payload, Buffer.from('x')),
        annotations: { 'dev.cosignproject.cosign/signature': text },
      };
      const [finding] = await verify(payload, layer);
      expect(finding?.status).toBe('invalid');
      expect(finding?.reason).toContain('base64');
    },
  );

  it('refuses a layer of another type, even a well signed one', async () => {
    const layer = {
      ...signatureLayer(payload, await alice.sign(payload)),
      mediaType: 'application/json',
    };
    expect(await verify(payload, layer)).toMatchObject([{ status: 'invalid', authority: null }]);
  });

  it('refuses a well signed document that is no payload, and says whose it is (T-10, T-11)', async () => {
    const spellings = [
      Buffer.from(
        '{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[]}',
      ),
      Buffer.from(`${Buffer.from(payload).toString().slice(0, -1)},"optional":{}}`),
    ];
    for (const bytes of spellings) {
      const layer = signatureLayer(bytes, await alice.sign(bytes));
      expect(await verify(bytes, layer)).toMatchObject([{ status: 'invalid', authority: 'alice' }]);
    }
  });

  it('finds none in a manifest without layers, nor for a sha512 digest', async () => {
    const source = new MemoryEvidence();
    const manifest = {
      schemaVersion: 2,
      mediaType: MEDIA.ociManifest,
      config: signatureLayer(payload, payload),
      layers: [],
    };
    source.store(tag, Buffer.from(JSON.stringify(manifest)), MEDIA.ociManifest);
    expect(await verifyCosign(subject, source, [])).toMatchObject([{ status: 'absent' }]);
    const long: Digest = digestOf(Buffer.from('image'), 'sha512');
    expect(await verifyCosign({ repository, digest: long }, source, [])).toMatchObject([
      { status: 'absent' },
    ]);
  });
});
