import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../../src/lib/json.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { parseBundle, preAuthentication } from '../../../src/trust/cosign/bundle.ts';
import { bundleOf, statementFor } from '../../support/bundle.ts';
import { testSigner } from '../../support/signer.ts';

const alice = testSigner();
const statement = statementFor(digestOf(Buffer.from('image')));
const good = await bundleOf(statement, alice);
type Members = Record<string, Json>;
const members = JSON.parse(good.toString()) as Members & { dsseEnvelope: Members };
const text = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const envelope = (more: Members): Buffer =>
  text({ ...members, dsseEnvelope: { ...members.dsseEnvelope, ...more } });

function refusal(bytes: Uint8Array): string {
  const read = parseBundle(bytes);
  return read.ok ? 'accepted' : `${read.refusal.code} ${read.refusal.message}`;
}

describe('a Sigstore bundle', () => {
  it('is read as cosign 3 writes it, with the bytes that were signed', () => {
    expect(parseBundle(good)).toMatchObject({ ok: true, value: { payload: statement } });
  });

  it("is signed over DSSE's encoding of type and payload", () => {
    // The example of the DSSE protocol's own specification.
    const encoded = preAuthentication('http://example.com/HelloWorld', Buffer.from('hello world'));
    expect(Buffer.from(encoded).toString()).toBe(
      'DSSEv1 29 http://example.com/HelloWorld 11 hello world',
    );
  });

  it.each([
    'application/vnd.dev.sigstore.bundle+json;version=0.1',
    'application/vnd.dev.sigstore.bundle+json;version=0.2',
    'application/vnd.dev.sigstore.bundle.v0.1+json',
    'application/vnd.dev.sigstore.bundle.v0.3+json',
  ])('may be of type %s', (mediaType) => {
    expect(parseBundle(text({ ...members, mediaType })).ok).toBe(true);
  });

  it.each<[string, Members]>([
    ['log entries', { tlogEntries: [{ logIndex: '1', inclusionProof: { hashes: ['AA=='] } }] }],
    ['timestamps', { timestampVerificationData: { rfc3161Timestamps: [] } }],
    ['another hint', { publicKey: { hint: 'whatever', rawBytes: 'AAAA' } }],
  ])('may bring %s, which nobody looks at', (_, more) => {
    const verificationMaterial = { publicKey: {}, ...more };
    expect(parseBundle(text({ ...members, verificationMaterial })).ok).toBe(true);
  });

  it.each<[string, Buffer, string]>([
    ['is not JSON', Buffer.from('bundle'), 'JSON'],
    ['is an array', text([members]), 'object'],
    ['is a classic payload', text({ critical: {}, optional: null }), '"mediaType"'],
    ['is an SBOM', text({ spdxVersion: 'SPDX-2.3' }), '"mediaType"'],
    [
      'is of a later version',
      text({ ...members, mediaType: 'application/vnd.dev.sigstore.bundle.v0.4+json' }),
      '0.3',
    ],
    ['has no content', text({ ...members, dsseEnvelope: undefined }), 'dsseEnvelope'],
    ['has two contents', text({ ...members, messageSignature: {} }), 'messageSignature'],
    ['has the content in another spelling', text({ ...members, dsse_envelope: {} }), 'no member'],
    ['has a member in another case', text({ ...members, DsseEnvelope: {} }), 'no member'],
    ['has a member too many', text({ ...members, publicKey: {} }), 'no member'],
    ['has no key material', text({ ...members, verificationMaterial: {} }), 'publicKey'],
    [
      'is keyless',
      text({ ...members, verificationMaterial: { certificate: { rawBytes: 'AA==' } } }),
      'keyless signatures are not asked for here',
    ],
    [
      'is keyless with a chain beside a key',
      text({ ...members, verificationMaterial: { publicKey: {}, x509CertificateChain: {} } }),
      'keyless',
    ],
    ['has another payload type', envelope({ payloadType: 'application/json' }), 'payloadType'],
    ['has a payload in URL-safe base64', envelope({ payload: 'e30_' }), 'base64'],
    ['has a payload in base64 with line ends', envelope({ payload: 'e3\n0=' }), 'base64'],
    ['has no signature', envelope({ signatures: [] }), 'exactly one'],
    [
      'has two signatures',
      envelope({ signatures: [{ sig: 'AA==' }, { sig: 'AA==' }] }),
      'exactly one',
    ],
    ['has an empty signature', envelope({ signatures: [{ sig: '' }] }), 'base64'],
    [
      'has a signature of no length that a key makes',
      envelope({ signatures: [{ sig: 'A'.repeat(8192) }] }),
      'base64',
    ],
    [
      'has a signature with its key',
      envelope({ signatures: [{ sig: 'AA==', publicKey: alice.publicPem }] }),
      'no member',
    ],
    [
      'has two envelopes by one name (T-11)',
      Buffer.from(`${good.toString().slice(0, -1)},"dsseEnvelope":{}}`),
      'unique keys',
    ],
    ['has bytes after its end', Buffer.concat([good, Buffer.from('{}')]), 'end of the document'],
    ['is huge (T-61)', Buffer.concat([good, Buffer.alloc(300_000, 32)]), 'at most'],
    ['has a huge payload (T-61)', envelope({ payload: 'A'.repeat(400_000) }), 'at most'],
    [
      'is nested deep (T-65)',
      text({ ...members, verificationMaterial: { publicKey: {}, tlogEntries: nested(40) } }),
      'nesting',
    ],
  ])('that %s is refused', (_, bytes, why) => {
    expect(refusal(bytes)).toMatch(/^ARTIFACT_INVALID bundle: /);
    expect(refusal(bytes)).toContain(why);
  });

  it('cut short at any byte is refused (T-12)', () => {
    for (let end = 0; end < good.length; end++) {
      expect(refusal(good.subarray(0, end))).toMatch(/^ARTIFACT_INVALID /);
    }
  });

  it('is read or refused, and never throws, whatever it is', () => {
    const inner = fc.oneof(fc.constant(members), fc.jsonValue(), fc.string());
    const near = fc.record(
      {
        mediaType: fc.oneof(fc.constant(members['mediaType']), inner),
        verificationMaterial: fc.oneof(fc.constant({ publicKey: {} }), inner),
        dsseEnvelope: fc.oneof(
          fc.constant(members.dsseEnvelope),
          fc.record({ payload: inner, payloadType: inner, signatures: fc.array(inner) }),
          inner,
        ),
      },
      { requiredKeys: [] },
    );
    const anything = fc.oneof(
      fc.uint8Array(),
      near.map((value) => text(value)),
    );
    fc.assert(
      fc.property(anything, (bytes) => {
        const read = parseBundle(bytes);
        if (!read.ok) expect(read.refusal.code).toBe('ARTIFACT_INVALID');
        // What is accepted says one thing: the payload that is read is the one that was signed.
        else expect(Buffer.from(read.value.signed).indexOf(read.value.payload)).toBeGreaterThan(0);
      }),
      { numRuns: 300 },
    );
  });
});

function nested(depth: number): Json {
  return depth === 0 ? [] : [nested(depth - 1)];
}
