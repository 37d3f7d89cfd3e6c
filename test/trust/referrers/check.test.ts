import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unwrap } from '../../../src/lib/result.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { digestOf, hexOf } from '../../../src/oci/digest.ts';
import { parseManifest } from '../../../src/oci/manifest.ts';
import { MEDIA } from '../../../src/oci/media-types.ts';
import { checkReferrer } from '../../../src/trust/referrers/check.ts';
import { readCosePayload } from '../../../src/trust/referrers/cose.ts';
import { MemoryEvidence } from '../../support/evidence.ts';
import type { TestReferrer } from '../../support/referrer.ts';
import {
  buildBundle,
  buildReferrer,
  BUNDLE,
  EMPTY,
  envelopeOver,
  jwsFor,
  NOTATION,
  statementFor,
} from '../../support/referrer.ts';
import { testSigner } from '../../support/signer.ts';
import { tarLayer } from '../../support/tar.ts';

const SUBJECT = digestOf(Buffer.from('subject'));
const OTHER = digestOf(Buffer.from('another'));
const JWS = 'application/jose+json';
const COSE = 'application/cose';
const DSSE = 'application/vnd.dsse.envelope.v1+json';
const IN_TOTO = 'application/vnd.in-toto+json';
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

async function check(referrer: TestReferrer): Promise<string> {
  const source = new MemoryEvidence();
  for (const blob of referrer.blobs) source.keep(blob);
  const manifest = unwrap(parseManifest(referrer.manifest));
  const checked = await checkReferrer(manifest, source);
  return checked.ok ? checked.value : `${checked.refusal.code} ${checked.refusal.message}`;
}

// RFC 9052 4.2 by hand: 18([protected, {33: [h'00']}, payload, signature]).
function coseFor(subject: Digest): Buffer {
  const bytes = (content: Buffer): Buffer =>
    Buffer.concat([Buffer.from([0x59, content.length >> 8, content.length & 255]), content]);
  const payload = json({ targetArtifact: { digest: subject } });
  return Buffer.concat([
    Buffer.from([0xd2, 0x84, 0x43, 0xa1, 0x01, 0x26]),
    Buffer.from([0xa1, 0x18, 0x21, 0x81, 0x41, 0x00]),
    bytes(payload),
    bytes(Buffer.from('signature')),
  ]);
}

const messageBundle = (hex: string): Buffer =>
  json({
    mediaType: BUNDLE,
    verificationMaterial: {},
    messageSignature: {
      messageDigest: { algorithm: 'SHA2_256', digest: Buffer.from(hex, 'hex').toString('base64') },
      signature: 'c2ln',
    },
  });
const notation = (type: string, content: Buffer): TestReferrer =>
  buildReferrer(SUBJECT, type, content, { artifactType: NOTATION });

describe('a referrer that may be read unsigned', () => {
  it('is a Sigstore bundle, of cosign 3 or any tool', async () => {
    expect(await check(await buildBundle(SUBJECT, testSigner()))).toBe(SUBJECT);
    const old = 'application/vnd.dev.sigstore.bundle+json;version=0.2';
    expect(await check(buildReferrer(SUBJECT, old, messageBundle(hexOf(SUBJECT))))).toBe(SUBJECT);
  });

  it('is a Notary Project signature in JWS or COSE, of the present shape or the one before', async () => {
    expect(await check(notation(JWS, jwsFor(SUBJECT)))).toBe(SUBJECT);
    expect(await check(notation(COSE, coseFor(SUBJECT)))).toBe(SUBJECT);
    const legacy = { artifactType: null, config: { mediaType: NOTATION } };
    expect(await check(buildReferrer(SUBJECT, JWS, jwsFor(SUBJECT), legacy))).toBe(SUBJECT);
  });

  it('is an attestation or an SBOM in JSON', async () => {
    const envelope = json(await envelopeOver(statementFor(SUBJECT), testSigner()));
    expect(await check(buildReferrer(SUBJECT, DSSE, envelope))).toBe(SUBJECT);
    expect(await check(buildReferrer(SUBJECT, IN_TOTO, statementFor(SUBJECT)))).toBe(SUBJECT);
    const spdx = json({ spdxVersion: 'SPDX-2.3', packages: [] });
    expect(await check(buildReferrer(SUBJECT, 'application/spdx+json', spdx))).toBe(SUBJECT);
    const cyclone = json({ bomFormat: 'CycloneDX', specVersion: '1.6' });
    const type = 'application/vnd.cyclonedx+json';
    expect(await check(buildReferrer(SUBJECT, type, cyclone))).toBe(SUBJECT);
  });

  const jws = jwsFor(SUBJECT);
  const tar = Buffer.from(tarLayer({ evil: 'evil\n' }));
  const withJws = (parts: Parameters<typeof buildReferrer>[3]): TestReferrer =>
    buildReferrer(SUBJECT, JWS, jws, { artifactType: NOTATION, ...parts });
  it.each<[string, TestReferrer]>([
    ['has an image config', withJws({ config: { mediaType: MEDIA.ociConfig } })],
    ['has a docker config', withJws({ config: { mediaType: MEDIA.dockerConfig } })],
    ['has a config with content', withJws({ config: { digest: OTHER, size: 2 } })],
    ['has a config with urls', withJws({ config: { urls: ['https://evil.example/'] } })],
    ['has a layer with urls', withJws({ layer: { urls: ['https://evil.example/'] } })],
    ['is of Docker', withJws({ manifest: { mediaType: MEDIA.dockerManifest } })],
    ['has a tar layer', withJws({ layers: [{ type: MEDIA.ociLayer, bytes: tar }] })],
    [
      'has a tar behind the signature',
      withJws({
        layers: [
          { type: JWS, bytes: jws },
          { type: MEDIA.ociLayerGzip, bytes: tar },
        ],
      }),
    ],
    ['has a tar that calls itself a signature', withJws({ layers: [{ type: JWS, bytes: tar }] })],
    [
      'has two signatures',
      withJws({
        layers: [
          { type: JWS, bytes: jws },
          { type: JWS, bytes: jws },
        ],
      }),
    ],
    ['mixes the two shapes of notation', withJws({ config: { mediaType: NOTATION } })],
    ['says a bundle and holds a JWS', withJws({ artifactType: BUNDLE })],
    ['says nothing of its type', withJws({ artifactType: null })],
    ['is a chart', withJws({ config: { mediaType: 'application/vnd.cncf.helm.config.v1+json' } })],
    ['is of an unknown type', withJws({ artifactType: 'application/vnd.example' })],
    ['is WebAssembly', withJws({ layers: [{ type: 'application/wasm', bytes: jws }] })],
    ['has no layer', withJws({ layers: [] })],
    ['is larger than it says', withJws({ layer: { size: jws.length - 1 } })],
    ['is huge', withJws({ layer: { size: 1e9 } })],
    ['is for another image (JWS)', notation(JWS, jwsFor(OTHER))],
    ['is for another image (COSE)', notation(COSE, coseFor(OTHER))],
    ['is for another image (bundle)', buildReferrer(SUBJECT, BUNDLE, messageBundle(hexOf(OTHER)))],
    ['is about another image', buildReferrer(SUBJECT, IN_TOTO, statementFor(OTHER))],
    ['is no COSE', notation(COSE, jws)],
    ['is no JSON', notation(JWS, Buffer.from('{'))],
    [
      'is JSON twice over',
      notation(JWS, Buffer.from(jws.toString().replace('{', '{"payload":"e30",'))),
    ],
    ['is no bundle', buildReferrer(SUBJECT, BUNDLE, EMPTY)],
    ['is no SBOM', buildReferrer(SUBJECT, 'application/spdx+json', EMPTY)],
  ])('is none that %s (T-10)', async (_name, referrer) => {
    expect(await check(referrer)).toMatch(/^ARTIFACT_INVALID /);
  });

  // Names that every plain object has: a list kept in one would know them as types.
  it.each(['constructor', 'toString', 'valueOf', 'isPrototypeOf', '__proto__'])(
    'is none of a type that is only a word of JavaScript: %s (T-10)',
    async (word) => {
      const spdx = json({ spdxVersion: 'SPDX-2.3', packages: [] });
      const named = buildReferrer(SUBJECT, 'application/spdx+json', spdx, { artifactType: word });
      expect(await check(named)).toMatch(/^ARTIFACT_INVALID /);
      expect(await check(buildReferrer(SUBJECT, word, spdx))).toMatch(/^ARTIFACT_INVALID /);
    },
  );

  it('names its subject, and is there', async () => {
    const source = new MemoryEvidence();
    const { manifest } = notation(JWS, jws);
    const parsed = unwrap(parseManifest(manifest, MEDIA.ociManifest));
    expect((await checkReferrer(parsed, source)).ok).toBe(false);
    const { subject, ...nameless } = JSON.parse(manifest.toString()) as Record<string, unknown>;
    void subject;
    source.keep(jws);
    expect((await checkReferrer(parsed, source)).ok).toBe(true);
    const alone = unwrap(parseManifest(json(nameless), MEDIA.ociManifest));
    expect((await checkReferrer(alone, source)).ok).toBe(false);
  });

  it('is no tar archive that is JSON at the same time', async () => {
    const header = tar.subarray(0, 512);
    // A tar whose first file name begins a JSON string would need a NUL in it: strict JSON has none.
    const text = Buffer.concat([Buffer.from('{"payload":"'), header]);
    expect(await check(notation(JWS, text))).toMatch(/^ARTIFACT_INVALID /);
    const named = Buffer.from(header);
    Buffer.from([0xd2, 0x84]).copy(named);
    named.fill(0x20, 148, 156);
    const sum = named.reduce((all, byte) => all + byte, 0);
    named.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    expect(await check(notation(COSE, named))).toContain('tar archive');
  });
});

describe('a COSE envelope', () => {
  it('is read to its last byte, and to none beyond', () => {
    const whole = coseFor(SUBJECT);
    expect(readCosePayload(whole)).not.toBe(null);
    for (let length = 0; length < whole.length; length++)
      expect(readCosePayload(whole.subarray(0, length))).toBe(null);
    expect(readCosePayload(Buffer.concat([whole, Buffer.from([0])]))).toBe(null);
  });

  it('never throws, whatever it is given', () => {
    const start = Buffer.from([0xd2, 0x84, 0x41, 0x00, 0xa1]);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), (bytes, real) => {
        const given = real ? Buffer.concat([start, bytes]) : bytes;
        const payload = readCosePayload(given);
        expect(payload === null || payload.byteLength < given.byteLength).toBe(true);
      }),
    );
  });
});
