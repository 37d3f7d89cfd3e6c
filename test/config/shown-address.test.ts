import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shownAddress } from '../../src/config/shown-address.ts';

describe('an address in a message', () => {
  it.each([
    ['http://localhost:5000', '"http://localhost:5000"'],
    ['registry.example.com/a b', '"registry.example.com/a b"'],
    ['https://gate:secret@registry.example.com', '"https://…@registry.example.com"'],
    ['https://gate:se@cret@registry.example.com', '"https://…@registry.example.com"'],
    ['https://gate:se/cret@registry.example.com', '"https://…@registry.example.com"'],
    ['https:gate:secret@registry.example.com', '"https:…@registry.example.com"'],
    ['gate:secret@registry.example.com', '"gate:…@registry.example.com"'],
    ['HTTPS://gate:se\ncret@registry.example.com', '"HTTPS://…@registry.example.com"'],
  ])('%j is shown as %s', (text, expected) => {
    expect(shownAddress(text)).toBe(expected);
  });

  it('T-78: holds no password, whatever it is made of', () => {
    const password = fc.string({ unit: 'grapheme', maxLength: 20 });
    fc.assert(
      fc.property(password, (made) => {
        const shown = shownAddress(`https://gate:${made}geheim${made}@registry.example.com`);
        expect(shown).not.toContain('geheim');
      }),
    );
  });
});
