import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../../src/lib/json.ts';
import { digestOf, hexOf } from '../../../src/oci/digest.ts';
import { parseStatement } from '../../../src/trust/cosign/bundle-statement.ts';
import { statementFor } from '../../support/bundle.ts';

const digest = digestOf(Buffer.from('image'));
const sha256 = hexOf(digest);
const NAME = 'registry.example.com/prod/app';
const reference = 'dev.countersign.reference';
type Members = Record<string, Json>;
const about = (subject: Members, more: Members = {}): Buffer => statementFor(digest, more, subject);

function refusal(bytes: Uint8Array): string {
  const read = parseStatement(bytes);
  return read.ok ? 'accepted' : `${read.refusal.code} ${read.refusal.message}`;
}

describe("cosign's statement that an image is signed", () => {
  it('names an image by its digest, and no repository', () => {
    expect(parseStatement(statementFor(digest))).toEqual({
      ok: true,
      value: { digest, signed: null, annotations: {} },
    });
  });

  it('may be of either version of in-toto', () => {
    const older = { _type: 'https://in-toto.io/Statement/v0.1' };
    expect(parseStatement(statementFor(digest, older)).ok).toBe(true);
  });

  it.each<[string, Members, string | null]>([
    ['an annotation', { annotations: { [reference]: `${NAME}:1.2`, build: '7' } }, '1.2'],
    ['an annotation without a tag', { annotations: { [reference]: NAME } }, null],
    ["the subject's name", { name: `${NAME}:1.2` }, '1.2'],
    [
      'both, the annotation with the tag',
      { name: NAME, annotations: { [reference]: `${NAME}:1` } },
      '1',
    ],
    ['both, the name with the tag', { name: `${NAME}:1`, annotations: { [reference]: NAME } }, '1'],
    ['the digest besides', { name: `${NAME}:1@${digest}` }, '1'],
  ])('names a repository by %s', (_, subject, tag) => {
    expect(parseStatement(about(subject))).toMatchObject({
      ok: true,
      value: { digest, signed: { repository: NAME, tag } },
    });
  });

  it.each(['app', 'prod/app:1', '_', ''])('has %j as mere text for a name', (name) => {
    expect(parseStatement(about({ name }))).toMatchObject({ ok: true, value: { signed: null } });
  });

  it('has annotations that are strings', () => {
    const annotations = { build: '7', count: 7, __proto__x: 'y', none: null };
    expect(parseStatement(about({ annotations }))).toMatchObject({
      ok: true,
      value: { annotations: { build: '7', __proto__x: 'y' } },
    });
    expect(parseStatement(about({ annotations: null }))).toMatchObject({ ok: true });
  });

  it.each([
    'https://slsa.dev/provenance/v1',
    'https://spdx.dev/Document',
    'https://cosign.sigstore.dev/attestation/v1',
    'https://cosign.sigstore.dev/attestation/vuln/v1',
    'https://sigstore.dev/cosign/sign/v2',
    'https://sigstore.dev/cosign/sign/v1/',
    'HTTPS://sigstore.dev/cosign/sign/v1',
    '',
  ])('is none of type %j: an attestation never counts as a signature (T-09)', (predicateType) => {
    expect(refusal(statementFor(digest, { predicateType }))).toContain('is no signature');
  });

  it.each<[string, Buffer, string]>([
    [
      'has no predicateType',
      Buffer.from('{"_type":"https://in-toto.io/Statement/v1","subject":[]}'),
      'predicateType',
    ],
    [
      'has a predicateType that is no text',
      statementFor(digest, { predicateType: 1 }),
      'predicateType',
    ],
    [
      'has another _type',
      statementFor(digest, { _type: 'https://in-toto.io/Statement/v2' }),
      '_type',
    ],
    ['has no subject', statementFor(digest, { subject: [] }), 'exactly one subject'],
    [
      'has two subjects',
      statementFor(digest, { subject: [{ digest: { sha256 } }, { digest: { sha256 } }] }),
      'found 2',
    ],
    [
      'has a subject that is no list',
      statementFor(digest, { subject: { digest: { sha256 } } }),
      'exactly one subject',
    ],
    ['has a subject by sha512 only', about({ digest: { sha512: 'a'.repeat(128) } }), 'sha256'],
    ['has a digest in upper case', about({ digest: { sha256: sha256.toUpperCase() } }), 'sha256'],
    ['has a digest with its algorithm', about({ digest: { sha256: digest } }), 'sha256'],
    ['has a member of another spelling', statementFor(digest, { Subject: [] }), 'no member'],
    ["has a subject's member of another spelling", about({ Digest: { sha256 } }), 'no member'],
    ['has a name that is no text', about({ name: 7 }), 'name'],
    ['has annotations that are a list', about({ annotations: [] }), 'annotations'],
    [
      'names no host in its annotation',
      about({ annotations: { [reference]: 'prod/app:1' } }),
      'host',
    ],
    ['names nothing in its annotation', about({ annotations: { [reference]: '' } }), reference],
    [
      'has a number for a name in its annotation',
      about({ annotations: { [reference]: 7 } }),
      reference,
    ],
    [
      'names two repositories',
      about({ name: `${NAME}2`, annotations: { [reference]: NAME } }),
      'one name',
    ],
    [
      'names two tags',
      about({ name: `${NAME}:1`, annotations: { [reference]: `${NAME}:2` } }),
      'one name',
    ],
    ['names another digest', about({ name: `${NAME}@sha256:${'a'.repeat(64)}` }), 'signed digest'],
    [
      'says its subject twice (T-11)',
      Buffer.from(`${statementFor(digest).toString().slice(0, -1)},"subject":[]}`),
      'unique keys',
    ],
    [
      'goes on after its end',
      Buffer.concat([statementFor(digest), Buffer.from('x')]),
      'end of the document',
    ],
    ['is large', Buffer.concat([statementFor(digest), Buffer.alloc(70_000, 32)]), 'at most'],
  ])('that %s is refused', (_, bytes, why) => {
    expect(refusal(bytes)).toMatch(/^ARTIFACT_INVALID statement: /);
    expect(refusal(bytes)).toContain(why);
  });

  it('cut short at any byte is refused (T-12)', () => {
    const whole = about({ name: NAME });
    for (let end = 0; end < whole.length; end++) {
      expect(refusal(whole.subarray(0, end))).toMatch(/^ARTIFACT_INVALID /);
    }
  });

  it('is read or refused, and never throws, whatever it is', () => {
    const odd = fc.oneof(fc.jsonValue(), fc.string());
    const subject = fc.record(
      { digest: fc.oneof(fc.constant({ sha256 }), odd), name: odd, annotations: odd },
      { requiredKeys: [] },
    );
    const near = fc.record({ subject: fc.oneof(fc.array(subject), odd), predicate: odd });
    const anything = fc.oneof(
      fc.uint8Array(),
      near.map((more) => statementFor(digest, more as Members)),
    );
    fc.assert(
      fc.property(anything, (bytes) => {
        const read = parseStatement(bytes);
        if (read.ok) expect(read.value.digest).toBe(digest);
        else expect(read.refusal.code).toBe('ARTIFACT_INVALID');
      }),
      { numRuns: 300 },
    );
  });
});
