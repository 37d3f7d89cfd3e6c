import { describe, expect, it } from 'vitest';
import { unwrap } from '../../src/lib/result.ts';
import type { TufKey } from '../../src/tuf/public-key.ts';
import { parseTufKey, tufKeyId } from '../../src/tuf/public-key.ts';

function listedKey(bytes: Uint8Array): TufKey {
  const publicHalf = Buffer.from(bytes).toString('base64');
  const keyval = { public: publicHalf, private: null };
  return unwrap(parseTufKey(tufKeyId('ecdsa', publicHalf), { keytype: 'ecdsa', keyval }));
}

describe('a key that metadata list', () => {
  it('is read once, however often it is listed', () => {
    const bytes = Buffer.alloc(91, 1);
    expect(listedKey(bytes)).toBe(listedKey(bytes));
  });

  it('T-59: is not remembered where it is longer than any key', () => {
    const bytes = Buffer.alloc(1024 * 1024, 1);
    expect(listedKey(bytes)).not.toBe(listedKey(bytes));
    expect(listedKey(bytes).key).toBeNull();
  });

  it('T-59: is forgotten for others that are long, before a thousand of them fill the memory', () => {
    const first = listedKey(Buffer.alloc(91, 2));
    for (let n = 0; n < 400; n++) {
      const bytes = Buffer.alloc(40_000, 3);
      bytes.writeUInt32BE(n);
      listedKey(bytes);
    }
    expect(listedKey(Buffer.alloc(91, 2))).not.toBe(first);
  });
});
