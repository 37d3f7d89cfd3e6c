import { describe, expect, it } from 'vitest';
import { CountersignError } from '../../../src/lib/errors.ts';
import { unwrap } from '../../../src/lib/result.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import type { Descriptor, Manifest } from '../../../src/oci/manifest.ts';
import { parseManifest } from '../../../src/oci/manifest.ts';
import { MEDIA } from '../../../src/oci/media-types.ts';
import { parseRepository } from '../../../src/oci/reference.ts';
import { checkArtifact, subjectOfTag } from '../../../src/trust/cosign/artifact.ts';
import { signatureLayer } from '../../../src/trust/cosign/manifest.ts';
import { makePayload } from '../../../src/trust/cosign/payload.ts';
import { MemoryEvidence } from '../../support/evidence.ts';

const subject = digestOf(Buffer.from('image'));
const other = digestOf(Buffer.from('other'));
const tagOf = (digest: Digest, kind = 'sig'): string => `${digest.replace(':', '-')}.${kind}`;
const payload = (digest: Digest, annotations: Record<string, string> = {}): Uint8Array =>
  makePayload({
    repository: unwrap(parseRepository('registry.example.com/app')),
    tag: '1',
    digest,
    annotations,
    creator: null,
    timestamp: null,
  });
const envelope = Buffer.from(
  '{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[]}',
);
const config = { mediaType: MEDIA.ociConfig, size: 2, digest: digestOf(Buffer.from('{}')) };

interface Parts {
  readonly layers: readonly (Descriptor & { readonly bytes?: Uint8Array })[];
  readonly [member: string]: unknown;
}

async function check(tag: string, parts: Parts, source = new MemoryEvidence()): Promise<string> {
  const layers = parts.layers.map(({ bytes, ...descriptor }) => {
    if (bytes !== undefined) source.keep(bytes);
    return descriptor;
  });
  source.keep(Buffer.from('{}'));
  const text = JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    config,
    ...parts,
    layers,
  });
  const manifest: Manifest = unwrap(parseManifest(Buffer.from(text)));
  const checked = await checkArtifact(tag, manifest, source);
  return checked.ok ? 'accepted' : `${checked.refusal.code} ${checked.refusal.message}`;
}

const sig = (bytes: Uint8Array): Descriptor & { bytes: Uint8Array } => ({
  ...signatureLayer(bytes, Buffer.from('s')),
  bytes,
});
const att = (bytes: Uint8Array): Descriptor & { bytes: Uint8Array } => ({
  mediaType: 'application/vnd.dsse.envelope.v1+json',
  size: bytes.byteLength,
  digest: digestOf(bytes),
  bytes,
});

/** A tar archive that is also a strict JSON payload for the subject: the header stands inside a string. */
function polyglot(): Uint8Array {
  const text = Buffer.from(payload(subject, { x: 'PAD'.repeat(300) })).toString();
  const bytes = Buffer.from(
    `{"optional":{"x":"${'a'.repeat(900)}"},${text.slice(1, text.indexOf(',"optional"'))}}`,
  );
  bytes.write('0000644 0000000 0000000 00000000000 00000000000 ', 100, 'latin1');
  bytes.write('        0', 148, 'latin1');
  const sum = bytes.subarray(0, 512).reduce((a, b) => a + b, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}  `, 148, 'latin1');
  return bytes;
}

describe('a signature tag', () => {
  it('may hold a thousand signatures, and their config and what they share is fetched once', async () => {
    const source = new MemoryEvidence();
    const layers = Array.from({ length: 1000 }, () => sig(good));
    expect(await check(tagOf(subject), { layers }, source)).toBe('accepted');
    expect(source.calls).toHaveLength(2);
    const unsigned = { ...sig(good), annotations: {} };
    expect(await check(tagOf(subject), { layers: [...layers.slice(1), unsigned] })).toContain(
      'expected annotation',
    );
  });

  it('names the digest that it speaks for', () => {
    expect(subjectOfTag(tagOf(subject))).toBe(subject);
    expect(subjectOfTag(tagOf(subject, 'att'))).toBe(subject);
    for (const tag of [
      tagOf(subject, 'sbom'),
      tagOf(subject).toUpperCase(),
      subject.replace(':', '-'),
    ]) {
      expect(subjectOfTag(tag)).toBeNull();
    }
  });

  it('may hold signatures for its subject', async () => {
    expect(await check(tagOf(subject), { layers: [sig(payload(subject))] })).toBe('accepted');
    const named = { mediaType: MEDIA.ociManifest, size: 1, digest: subject };
    expect(await check(tagOf(subject), { subject: named, layers: [sig(payload(subject))] })).toBe(
      'accepted',
    );
  });

  it('may hold attestations where it says so', async () => {
    expect(await check(tagOf(subject, 'att'), { layers: [att(envelope)] })).toBe('accepted');
  });

  const good = payload(subject);
  const image = { ...config, mediaType: MEDIA.ociLayerGzip };
  const unsigned = { ...sig(good), annotations: {} };
  it.each<[string, string, Parts, string]>([
    ['an image', tagOf(subject), { layers: [image] }, 'layers of type'],
    [
      'an image layer behind a signature',
      tagOf(subject),
      { layers: [sig(good), image] },
      'layers of type',
    ],
    [
      'a signature twice, in two sizes',
      tagOf(subject),
      { layers: [{ ...sig(good), size: 1 }, sig(good)] },
      'expected one size',
    ],
    ['attestations under .sig', tagOf(subject), { layers: [att(envelope)] }, 'layers of type'],
    ['signatures under .att', tagOf(subject, 'att'), { layers: [sig(good)] }, 'layers of type'],
    ['nothing', tagOf(subject), { layers: [] }, 'at least one layer'],
    [
      'a config of another type',
      tagOf(subject),
      { config: { ...config, mediaType: MEDIA.octets }, layers: [sig(good)] },
      'config',
    ],
    [
      'a large config',
      tagOf(subject),
      { config: { ...config, size: 300_000 }, layers: [sig(good)] },
      'config',
    ],
    [
      'a docker manifest',
      tagOf(subject),
      { mediaType: MEDIA.dockerManifest, layers: [sig(good)] },
      'an OCI image manifest',
    ],
    [
      'a subject of another image',
      tagOf(subject),
      { subject: { ...config, digest: other }, layers: [sig(good)] },
      'no subject but',
    ],
    [
      'a signature of another image',
      tagOf(other),
      { layers: [sig(good)] },
      'expected signatures for',
    ],
    [
      'layers from elsewhere',
      tagOf(subject),
      { layers: [{ ...sig(good), urls: ['http://evil.example'] }] },
      'urls',
    ],
    ['a payload that is none', tagOf(subject), { layers: [sig(Buffer.from('{}'))] }, 'critical'],
    ['no signature', tagOf(subject), { layers: [unsigned] }, 'annotation'],
    [
      'a large payload',
      tagOf(subject),
      { layers: [{ ...sig(good), size: 70_000 }] },
      'at most 65536',
    ],
    ['a wrong size', tagOf(subject), { layers: [{ ...sig(good), size: 10 }] }, 'expected 10 bytes'],
    [
      'an absent payload',
      tagOf(subject),
      { layers: [signatureLayer(Buffer.from('gone'), good)] },
      'does not have',
    ],
    [
      'an envelope that is none',
      tagOf(subject, 'att'),
      { layers: [att(Buffer.from('{"payload":1}'))] },
      'DSSE',
    ],
    [
      'an envelope that is no JSON',
      tagOf(subject, 'att'),
      { layers: [att(Buffer.from('#!/bin/sh'))] },
      'JSON',
    ],
    [
      'an archive that is also a payload',
      tagOf(subject),
      { layers: [sig(polyglot())] },
      'tar archive',
    ],
    ['anything under another tag', 'latest', { layers: [sig(good)] }, 'expected a tag'],
  ])('does not hold %s', async (_name, tag, parts, message) => {
    const answer = await check(tag, parts);
    expect(answer).toMatch(/^ARTIFACT_INVALID /);
    expect(answer).toContain(message);
  });

  it.each([
    ['an entry point', '{"config":{"Entrypoint":["/bin/sh"]}}'],
    ['a command, under another spelling', '{"Config":{"Cmd":["x"]}}'],
    ['a command, in letters that Go folds', '{"con\u017fig":{}, "CONFIG":{"Cmd":["x"]}}'],
    ['no object', '[]'],
    ['no JSON', '{"config":'],
  ])('T-10: does not hold a config with %s: newer engines would run it', async (_what, text) => {
    const source = new MemoryEvidence();
    const digest = source.keep(Buffer.from(text));
    const own = { ...config, digest, size: text.length };
    const parts = { layers: [sig(payload(subject))], config: own };
    expect(await check(tagOf(subject), parts, source)).toContain(
      'ARTIFACT_INVALID expected a config',
    );
  });

  it('holds the config that cosign writes', async () => {
    const source = new MemoryEvidence();
    const text =
      '{"architecture":"","created":"0001-01-01T00:00:00Z","history":[{"created":"0001-01-01T00:00:00Z"}],"os":"","rootfs":{"type":"layers","diff_ids":[]},"config":{}}';
    const digest = source.keep(Buffer.from(text));
    const own = { ...config, digest, size: text.length };
    const parts = { layers: [sig(payload(subject))], config: own };
    expect(await check(tagOf(subject), parts, source)).toBe('accepted');
  });

  it('does not hold an index', async () => {
    const index = unwrap(
      parseManifest(
        Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [] })),
      ),
    );
    expect(await checkArtifact(tagOf(subject), index, new MemoryEvidence())).toMatchObject({
      ok: false,
      refusal: { code: 'ARTIFACT_INVALID' },
    });
  });

  it('is neither accepted nor refused when the payload cannot be read', async () => {
    const source = new MemoryEvidence();
    source.fault = () => {
      throw new CountersignError('UPSTREAM_UNAVAILABLE', 'no answer');
    };
    await expect(
      check(tagOf(subject), { layers: [sig(payload(subject))] }, source),
    ).rejects.toMatchObject({
      code: 'UPSTREAM_UNAVAILABLE',
    });
  });
});
