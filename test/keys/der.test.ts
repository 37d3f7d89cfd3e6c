import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  TAG,
  childrenOf,
  countOf,
  encodeCount,
  encodeElement,
  encodeOid,
  octetsOf,
  oidOf,
  readElements,
  readSequence,
} from '../../src/keys/der.ts';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');

describe('der', () => {
  it('reads back what it writes, at every length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const read = readElements(encodeElement(TAG.octetString, bytes));
        expect(read).toHaveLength(1);
        expect(Buffer.from(octetsOf(read?.[0]) ?? []).equals(bytes)).toBe(true);
      }),
    );
    const long = Buffer.alloc(0xffff, 7);
    expect(readElements(encodeElement(TAG.octetString, long))?.[0]?.content).toHaveLength(0xffff);
    expect(() => encodeElement(TAG.octetString, Buffer.alloc(0x1_0000))).toThrow(RangeError);
  });

  it.each([0, 1, 127, 128, 255, 256, 2048, 32_767])('reads back the integer %i', (value) => {
    expect(countOf(readElements(encodeCount(value))?.[0])).toBe(value);
  });

  it.each([
    ['a truncated header', '30'],
    ['a length beyond the end', '300500'],
    ['a long form for a short length', '30810100'],
    ['two length bytes where one is enough', '308200ff'],
    ['an indefinite length', '30800000'],
    ['a length of three bytes', '3083010000'],
    ['a high tag number', '1f810100'],
    ['a truncated long form', '3081'],
  ])('refuses %s', (_, bytes) => {
    expect(readElements(hex(bytes))).toBeUndefined();
  });

  it('refuses more than 32 elements beside each other', () => {
    const nulls = (count: number): Buffer => hex('0500'.repeat(count));
    expect(readElements(nulls(32))).toHaveLength(32);
    expect(readElements(nulls(33))).toBeUndefined();
  });

  it('takes a sequence only alone and whole', () => {
    expect(readSequence(hex('30020500'))).toHaveLength(1);
    expect(readSequence(hex('3002050000'))).toBeUndefined();
    expect(readSequence(hex('300205003000'))).toBeUndefined();
    expect(readSequence(hex('0500'))).toBeUndefined();
    expect(childrenOf(readElements(hex('0500'))?.[0])).toBeUndefined();
    expect(childrenOf(undefined)).toBeUndefined();
  });

  it.each([
    ['a negative one', '0201ff'],
    ['an empty one', '0200'],
    ['a padded one', '02020001'],
    ['one over 48 bits', '020701000000000000'],
    ['something else', '0500'],
  ])('does not read an integer from %s', (_, bytes) => {
    expect(countOf(readElements(hex(bytes))?.[0])).toBeUndefined();
  });

  it('gives identifiers and octets only for what they are', () => {
    expect(oidOf(readElements(encodeOid('2b6570'))?.[0])).toBe('2b6570');
    expect(oidOf(readElements(hex('0500'))?.[0])).toBeUndefined();
    expect(octetsOf(readElements(hex('0500'))?.[0])).toBeUndefined();
  });

  it('never throws, and never gives more bytes than it was given', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const elements = readElements(bytes) ?? [];
        const inner = elements.flatMap((element) => childrenOf(element) ?? []);
        for (const list of [elements, inner]) {
          const total = list.reduce((sum, { content }) => sum + content.length + 2, 0);
          expect(total).toBeLessThanOrEqual(bytes.length);
        }
      }),
    );
  });
});
