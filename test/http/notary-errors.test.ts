import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { notaryErrorBody } from '../../src/http/notary-errors.ts';

describe('an error of the trust server', () => {
  it('is one error of Notary’s own words with its detail, and ends its line', () => {
    const detail = { Name: 'ErrBadRoot', Error: { Msg: 'root expired' } };
    expect(notaryErrorBody('INVALID_UPDATE', detail)).toBe(
      '{"errors":[{"code":"INVALID_UPDATE","message":"Update sent by the client is invalid.","detail":{"Name":"ErrBadRoot","Error":{"Msg":"root expired"}}}]}\n',
    );
    expect(notaryErrorBody('METADATA_NOT_FOUND')).toBe(
      '{"errors":[{"code":"METADATA_NOT_FOUND","message":"You have requested metadata that does not exist."}]}\n',
    );
  });

  it('stays under the 1024 bytes that clients read, whatever it quotes, and keeps what they look for', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 4000 }),
      fc.constantFrom('\0'.repeat(2000), '€'.repeat(600), '"\\'.repeat(500), '😀'.repeat(400)),
    );
    fc.assert(
      fc.property(text, (Msg) => {
        const body = notaryErrorBody('INVALID_UPDATE', { Name: 'ErrBadTargets', Error: { Msg } });
        expect(Buffer.byteLength(body)).toBeLessThan(1024);
        const { errors } = JSON.parse(body) as { errors: { detail: { Name: string } }[] };
        expect(errors).toHaveLength(1);
        expect(errors[0]?.detail.Name).toBe('ErrBadTargets');
      }),
    );
  });
});
