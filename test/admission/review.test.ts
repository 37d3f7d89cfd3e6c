import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseReview } from '../../src/admission/review.ts';
import type { Json, JsonObject } from '../../src/lib/json.ts';
import { LIMITS } from '../../src/lib/limits.ts';
import { podOf, review } from '../support/admission.ts';

const parse = (body: JsonObject | string) =>
  parseReview(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)));
/** The review with members of its request replaced; `undefined` leaves one out. */
const having = (members: Readonly<Record<string, Json | undefined>>): JsonObject => {
  const whole = review({ object: podOf('a') });
  return { ...whole, request: { ...(whole['request'] as JsonObject), ...members } as JsonObject };
};

describe('reading an AdmissionReview', () => {
  it('takes what a decision may depend on, and no more', () => {
    expect(parse(review({ object: podOf('a'), dryRun: true, subResource: 'status' }))).toEqual({
      ok: true,
      value: {
        uid: '705ab4f5-6393-11e8-b7cc-42010a800002',
        operation: 'CREATE',
        kind: { group: '', version: 'v1', kind: 'Pod' },
        subResource: 'status',
        username: 'alice',
        dryRun: true,
        object: podOf('a'),
        oldObject: null,
      },
    });
  });

  it('bounds the name of the user, and keeps it printable', () => {
    const named = (username: Json | undefined) => {
      const read = parse(having({ userInfo: { username: username ?? null } }));
      return read.ok ? read.value.username : null;
    };
    expect(named('a\n"record":5\u202e')).toBe('a?"record":5?');
    expect(named('x'.repeat(5000))).toHaveLength(200);
    for (const none of ['', 5, null]) expect(named(none)).toBe('unknown');
    expect(parse(having({ userInfo: undefined }))).toMatchObject({ ok: true });
  });

  it.each<[string, JsonObject | string]>([
    ['nothing', ''],
    ['null', 'null'],
    ['a list', '[]'],
    ['an older version', { ...review(), apiVersion: 'admission.k8s.io/v1beta1' }],
    ['another kind', { ...review(), kind: 'TokenReview' }],
    ['no request', { ...review(), request: null }],
    ['no uid', having({ uid: undefined })],
    ['an empty uid', having({ uid: '' })],
    ['a uid of a thousand characters', having({ uid: 'u'.repeat(1000) })],
    ['a uid over two lines', having({ uid: 'a\nb' })],
    ['another operation', having({ operation: 'create' })],
    ['no kind', having({ kind: undefined })],
    ['a kind in one word', having({ kind: 'Pod' })],
    ['dryRun as text', having({ dryRun: 'true' })],
    ['a subresource that is no text', having({ subResource: 5 })],
    ['a key twice', JSON.stringify(review()).replace('"uid"', '"operation":"DELETE","uid"')],
    ['bytes behind it', `${JSON.stringify(review())}{}`],
    ['a byte-order mark', `\ufeff${JSON.stringify(review())}`],
    ['nesting without end', `${'['.repeat(100_000)}`],
  ])('refuses %s', (_, body) => {
    expect(parse(body)).toMatchObject({ ok: false });
  });

  it('refuses more bytes than its bound', () => {
    const read = parse(review({ object: podOf('a'.repeat(LIMITS.admissionBodyBytes)) }));
    expect(read).toMatchObject({ ok: false, refusal: { code: 'TOO_LARGE' } });
  });

  it('never throws, whatever it is given', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (bytes) => {
          expect(parseReview(bytes).ok).toBe(false);
        },
      ),
    );
    fc.assert(
      fc.property(
        fc.constantFrom('uid', 'kind', 'operation', 'dryRun'),
        fc.jsonValue(),
        (key, json) => {
          const read = parse(having({ [key]: json as Json }));
          if (!read.ok) expect(read.refusal.message.length).toBeLessThan(400);
        },
      ),
    );
  });
});
