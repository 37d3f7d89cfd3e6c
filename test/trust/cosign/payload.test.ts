import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unwrap } from '../../../src/lib/result.ts';
import { parseDigest } from '../../../src/oci/digest.ts';
import { parseRepository } from '../../../src/oci/reference.ts';
import type { Payload } from '../../../src/trust/cosign/payload.ts';
import { makePayload, parsePayload, sameClaim } from '../../../src/trust/cosign/payload.ts';

const HEX = 'ab'.repeat(32);
const claim: Payload = {
  repository: unwrap(parseRepository('registry.example.com/prod/app')),
  tag: '1.2',
  digest: unwrap(parseDigest(`sha256:${HEX}`)),
  annotations: { build: '7' },
  creator: 'countersign',
  timestamp: 1_700_000_000,
};

const critical = {
  identity: { 'docker-reference': 'registry.example.com/prod/app:1.2' },
  image: { 'docker-manifest-digest': `sha256:${HEX}` },
  type: 'cosign container image signature',
};
const bytes = (value: unknown): Buffer =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const refusal = (value: unknown): string => {
  const parsed = parsePayload(bytes(value));
  return parsed.ok ? 'accepted' : `${parsed.refusal.code} ${parsed.refusal.message}`;
};

describe('the payload that is written', () => {
  it('has exactly the members that cosign and containers/image accept', () => {
    expect(Buffer.from(makePayload(claim)).toString()).toBe(
      `{"critical":{"identity":{"docker-reference":"registry.example.com/prod/app:1.2"},"image":{"docker-manifest-digest":"sha256:${HEX}"},"type":"cosign container image signature"},"optional":{"creator":"countersign","timestamp":1700000000,"build":"7"}}`,
    );
  });

  it('always has optional, null where there is nothing to say', () => {
    const bare = { ...claim, tag: null, annotations: {}, creator: null, timestamp: null };
    expect(Buffer.from(makePayload(bare)).toString()).toMatch(
      /"docker-reference":"registry\.example\.com\/prod\/app".*"optional":null}$/,
    );
  });

  it('refuses annotations that the reader would take for something else', () => {
    for (const annotations of [{ timestamp: '1' }, { creator: 'x' }, { big: 'x'.repeat(70_000) }]) {
      expect(() => makePayload({ ...claim, annotations })).toThrow(
        expect.objectContaining({ code: 'USAGE' }),
      );
    }
    expect(() => makePayload({ ...claim, annotations: { broken: '\ud800' } })).toThrow('surrogate');
  });

  it('is read back as it was given, whatever the annotations', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 40 });
    const names = fc.oneof(
      text,
      fc.constantFrom('__proto__', 'constructor', '1', 'a\u0000b', '<&>'),
    );
    fc.assert(
      fc.property(
        fc.dictionary(names, text, { noNullPrototype: true }),
        fc.option(fc.integer({ min: 0, max: 253_402_300_799 })),
        fc.option(text),
        (given, timestamp, creator) => {
          const annotations = Object.fromEntries(
            Object.entries(given).filter(([k]) => k !== 'creator' && k !== 'timestamp'),
          );
          const full = { ...claim, annotations, timestamp, creator };
          const read = unwrap(parsePayload(makePayload(full)));
          expect(read).toEqual(full);
          expect(sameClaim(read, full)).toBe(true);
        },
      ),
    );
  });
});

describe('the payload that is read', () => {
  it('may be spaced and ordered as its signer liked', () => {
    const spaced = JSON.stringify({ optional: null, critical }, null, 3);
    expect(unwrap(parsePayload(bytes(spaced)))).toMatchObject({ tag: '1.2', timestamp: null });
  });

  it('is canonical in its reference', () => {
    const named = (reference: string): Payload =>
      unwrap(
        parsePayload(
          bytes({
            critical: { ...critical, identity: { 'docker-reference': reference } },
            optional: {},
          }),
        ),
      );
    expect(named('index.docker.io/library/nginx').repository).toBe('docker.io/library/nginx');
    expect(named('Registry.Example.COM:443/prod/app').repository).toBe(claim.repository);
    expect(named(`registry.example.com/prod/app@sha256:${HEX}`).tag).toBeNull();
  });

  it('keeps strings of optional as annotations and lets other members be', () => {
    const optional = { a: 'b', n: 1, deep: { x: [] }, creator: 'skopeo', timestamp: 12 };
    expect(unwrap(parsePayload(bytes({ critical, optional })))).toMatchObject({
      annotations: { a: 'b' },
      creator: 'skopeo',
      timestamp: 12,
    });
  });

  it.each<[string, unknown, string]>([
    ['no optional', { critical }, 'expected "optional"'],
    ['no critical', { optional: null }, 'expected "critical"'],
    ['an unknown member', { critical, optional: null, more: 1 }, 'no member "more"'],
    ['an unknown critical member', { critical: { ...critical, x: 1 }, optional: null }, '"x"'],
    ['a list', [], 'to be an object'],
    ['optional of another type', { critical, optional: [] }, 'an object or null'],
    ['a timestamp that is text', { critical, optional: { timestamp: '1' } }, 'whole seconds'],
    ['a timestamp that is null', { critical, optional: { timestamp: null } }, 'whole seconds'],
    ['a fraction of a second', { critical, optional: { timestamp: 1.5 } }, 'whole seconds'],
    ['a timestamp before the epoch', { critical, optional: { timestamp: -1 } }, 'whole seconds'],
    ['a timestamp of no date', { critical, optional: { timestamp: 9e15 } }, 'whole seconds'],
    ['a creator that is no string', { critical, optional: { creator: 1 } }, 'creator'],
    [
      'another type',
      { critical: { ...critical, type: 'atomic container signature' }, optional: null },
      'critical.type',
    ],
    [
      'an empty reference',
      { critical: { ...critical, identity: { 'docker-reference': '' } }, optional: null },
      'found',
    ],
    [
      'a reference to another digest',
      {
        critical: {
          ...critical,
          identity: { 'docker-reference': `a.example/b@sha256:${'cd'.repeat(32)}` },
        },
        optional: null,
      },
      'found another',
    ],
    [
      'a digest in capitals',
      {
        critical: { ...critical, image: { 'docker-manifest-digest': `sha256:${'AB'.repeat(32)}` } },
        optional: null,
      },
      'lower-case hex',
    ],
    [
      'a duplicate key',
      JSON.stringify({ critical, optional: null }).replace('{', '{"optional":{},'),
      'unique keys',
    ],
    ['trailing bytes', `${JSON.stringify({ critical, optional: null })} {}`, 'end of the document'],
    ['a byte-order mark', `\ufeff${JSON.stringify({ critical, optional: null })}`, 'JSON value'],
    [
      'too many bytes',
      { critical, optional: { a: 'x'.repeat(65_536) } },
      'expected at most 65536 bytes',
    ],
  ])('with %s is refused', (_name, value, message) => {
    expect(refusal(value)).toMatch(/^ARTIFACT_INVALID payload: /);
    expect(refusal(value)).toContain(message);
  });

  it('cut short at any byte is refused (T-12)', () => {
    const whole = makePayload(claim);
    for (let end = 0; end < whole.byteLength; end++) {
      expect(parsePayload(whole.subarray(0, end)).ok).toBe(false);
    }
    expect(parsePayload(whole).ok).toBe(true);
  });

  it('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.json().map(bytes)), (input) => {
        expect(parsePayload(input).ok).toBe(false);
      }),
    );
  });
});

describe('two claims', () => {
  it('are the same whenever they say the same, by whatever program and at whatever time', () => {
    expect(sameClaim(claim, { ...claim, creator: null, timestamp: 5 })).toBe(true);
    expect(sameClaim(claim, { ...claim, tag: null })).toBe(false);
    expect(sameClaim(claim, { ...claim, annotations: {} })).toBe(false);
    expect(sameClaim(claim, { ...claim, annotations: { build: '8' } })).toBe(false);
    expect(sameClaim(claim, { ...claim, annotations: { other: '7' } })).toBe(false);
    expect(sameClaim({ ...claim, annotations: { toString: '7' } }, claim)).toBe(false);
  });
});
