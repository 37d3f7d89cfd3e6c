import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/lib/json.ts';
import { canonicalJson } from '../../src/lib/canonical-json.ts';
import { parseJson } from '../../src/lib/json.ts';
import { unwrap } from '../../src/lib/result.ts';
import { bodyOf, decodeEvent, encodeEvent, leafHashOf } from '../../src/store/event-body.ts';
import { newEvent } from '../support/store.ts';

const text = fc.string({ unit: 'binary', maxLength: 40 });
const scalar = fc.oneof(text, fc.integer(), fc.boolean(), fc.constant(null));
const data = fc.dictionary(text, fc.oneof(scalar, fc.array(scalar), fc.dictionary(text, scalar)));

describe('the bytes of an event', () => {
  it('are the canonical JSON of its envelope, and read back as the event', () => {
    fc.assert(
      fc.property(data, text, fc.nat(), fc.nat(), (given, name, index, time) => {
        const event = newEvent({ data: given as JsonObject, actor: `a${name}`, tag: name });
        const body = bodyOf(unwrap(encodeEvent(event)), index, time);
        const { log, type, repository, tag, digest, actor } = event;
        const envelope = {
          v: 1,
          log,
          index,
          time,
          type,
          repository,
          tag,
          digest,
          actor,
          data: event.data,
        };
        expect(body.toString()).toBe(canonicalJson(envelope));
        expect(unwrap(decodeEvent(7, body))).toEqual({
          sequence: 7,
          log,
          index,
          time,
          type,
          repository,
          tag,
          digest,
          actor,
          body,
          data: unwrap(parseJson(Buffer.from(canonicalJson(event.data)), { maxBytes: 1e6 })),
        });
      }),
    );
  });

  it('have the leaf hash of RFC 6962', () => {
    expect(leafHashOf(Buffer.alloc(0)).toString('hex')).toBe(
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    );
    const prefixed = createHash('sha256').update('\u0000L123456').digest();
    expect(leafHashOf(Buffer.from('L123456'))).toEqual(prefixed);
  });

  it('of another shape are no event', () => {
    const body = bodyOf(unwrap(encodeEvent(newEvent())), 0, 0).toString();
    expect(decodeEvent(1, Buffer.from(body)).ok).toBe(true);
    const broken = [
      '{}',
      '[]',
      '',
      body.slice(0, -1),
      body.replace('"v":1', '"v":2'),
      body.replace('"log":"sig"', '"log":"x"'),
      body.replace('"index":0', '"index":-1'),
      body.replace('"index":0', '"index":"0"'),
      body.replace('"actor":"alice"', '"actor":null'),
      body.replace('"data":{"n":1}', '"data":[]'),
      body.replace('"digest":"sha256:', '"digest":"sha256:0'),
      body.replace('"tag":null', '"tag":7'),
      body.replace('"type":"signature",', ''),
      body.replace('"v":1', '"v":1,"v":1'),
    ];
    for (const one of broken)
      expect([one, decodeEvent(1, Buffer.from(one)).ok]).toEqual([one, false]);
  });

  it('do not change by the actor what makes two events the same', () => {
    const hash = (over: Parameters<typeof newEvent>[0]): string =>
      Buffer.from(unwrap(encodeEvent(newEvent(over))).contentHash).toString('hex');
    expect(hash({ actor: 'bob' })).toBe(hash({ actor: 'alice' }));
    expect(hash({ tag: 'x' })).not.toBe(hash({}));
    expect(hash({ repository: null })).not.toBe(hash({}));
  });
});
