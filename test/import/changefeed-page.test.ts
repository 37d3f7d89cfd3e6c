import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readChanges } from '../../src/import/changefeed-page.ts';

const RECORD = {
  ID: '7',
  CreatedAt: '2026-11-20T10:00:00.5Z',
  GUN: 'registry.example.com/app',
  Version: 4,
  SHA256: 'a'.repeat(64),
  Category: 'update',
};
const page = (...records: readonly unknown[]): Buffer =>
  Buffer.from(JSON.stringify({ count: records.length, records }));

describe('an answer of a changefeed', () => {
  it('is read, a deletion with its padded hash too', () => {
    const deletion = {
      ...RECORD,
      ID: '8',
      Version: 0,
      SHA256: ' '.repeat(64),
      Category: 'deletion',
    };
    expect(readChanges(page(RECORD, deletion), 6)).toEqual({
      ok: true,
      value: [
        {
          id: 7,
          gun: RECORD.GUN,
          version: 4,
          sha256: RECORD.SHA256,
          category: 'update',
          time: Date.UTC(2026, 10, 20, 10, 0, 0, 500),
        },
        expect.objectContaining({ id: 8, version: 0, sha256: '', category: 'deletion' }),
      ],
    });
  });

  it('may be empty, which Go writes as null', () => {
    expect(readChanges(Buffer.from('{"count":0,"records":null}'), 0)).toEqual({
      ok: true,
      value: [],
    });
  });

  it('is refused where it would be asked for without end, or is none', () => {
    const bad = [
      page({ ...RECORD, ID: '6' }),
      page(RECORD, RECORD),
      page({ ...RECORD, ID: 7 }),
      page({ ...RECORD, ID: '-7' }),
      page({ ...RECORD, GUN: '' }),
      page({ ...RECORD, Version: 1.5 }),
      page({ ...RECORD, SHA256: 'xyz' }),
      page({ ...RECORD, Category: 'other' }),
      page({ ...RECORD, CreatedAt: 'yesterday' }),
      page(null),
      Buffer.from('{}'),
      Buffer.from('<html>'),
    ];
    for (const bytes of bad) {
      expect(readChanges(bytes, 6)).toMatchObject({ refusal: { code: 'UPSTREAM_INVALID' } });
    }
  });

  it('is read or refused whatever it is', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const bytes = Buffer.from(JSON.stringify({ records: [value] }));
        expect(readChanges(bytes, 0).ok).toBe(false);
      }),
    );
  });
});
