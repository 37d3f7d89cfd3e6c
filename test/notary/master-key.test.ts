import { chmodSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { generateKey } from '../../src/keys/generate.ts';
import {
  generateMasterKey,
  loadMasterKey,
  newMasterKeyText,
  parseMasterKey,
  sealedUnder,
} from '../../src/notary/master-key.ts';
import { suiteScope } from '../support/scope.ts';
import { refusal } from '../support/store.ts';

describe('a master key', () => {
  const scope = suiteScope();
  const fresh = (): string => join(mkdtempSync(join(scope.folder(), 'key-')), 'master.key');

  it.each(['ed25519', 'ecdsa-p256'] as const)(
    'seals an %s key, and opens it again',
    async (type) => {
      const master = parseMasterKey(newMasterKeyText());
      const key = await generateKey(type);
      const sealed = await master.seal(key);
      expect(sealedUnder(sealed)).toBe(master.id);
      expect(sealed).toMatch(/^[\w-]+\.\.[\w-]+\.[\w-]+\.[\w-]+$/);
      expect((await master.open(sealed)).publicKey.id).toBe(key.publicKey.id);
      expect(await master.seal(key)).not.toBe(sealed);
    },
  );

  it('opens nothing that another sealed, that was altered, or that names another algorithm', async () => {
    const master = parseMasterKey(newMasterKeyText());
    const sealed = await master.seal(await generateKey('ecdsa-p256'));
    const other = await parseMasterKey(newMasterKeyText()).seal(await generateKey('ecdsa-p256'));
    const [head = '', , ...rest] = sealed.split('.');
    const header = (more: object): string =>
      Buffer.from(JSON.stringify({ alg: 'dir', enc: 'A256GCM', kid: master.id, ...more })).toString(
        'base64url',
      );
    const wrong = [
      other,
      '',
      'no JWE',
      `${sealed.slice(0, -4)}AAAA`,
      [header({ enc: 'A128CBC-HS256' }), '', ...rest].join('.'),
      [header({ alg: 'A256KW' }), 'AAAA', ...rest].join('.'),
      [header({ zip: 'DEF' }), '', ...rest].join('.'),
      [head, 'AAAA', ...rest].join('.'),
    ];
    for (const text of wrong)
      await expect(master.open(text)).rejects.toEqual(refusal('MASTER_KEY_WRONG'));
  });

  it('is 32 bytes in base64 and nothing else, and what it is not is never repeated', () => {
    const text = newMasterKeyText();
    expect(parseMasterKey(`  ${text}\n`).id).toBe(parseMasterKey(text).id);
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc
            .uint8Array({ maxLength: 64 })
            .filter((b) => b.length !== 32)
            .map((b) => Buffer.from(b).toString('base64')),
        ),
        (wrong) => {
          try {
            parseMasterKey(wrong);
          } catch (error) {
            const { code, message } = error as { code: string; message: string };
            expect(code).toBe('MASTER_KEY_INVALID');
            if (wrong.trim().length > 12) expect(message).not.toContain(wrong.trim());
            return;
          }
          expect(Buffer.from(wrong.trim(), 'base64')).toHaveLength(32);
        },
      ),
    );
  });

  it('is made once where there is none, for its owner alone, and read ever after', async () => {
    const file = fresh();
    const [one, two] = await Promise.all([
      loadMasterKey({ file, make: true }),
      loadMasterKey({ file, make: true }),
    ]);
    expect(one.id).toBe(two.id);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((await loadMasterKey({ file, make: false })).id).toBe(one.id);
    expect((await loadMasterKey({ text: readFileSync(file, 'utf8') })).id).toBe(one.id);
    await expect(generateMasterKey(file)).rejects.toEqual(refusal('KEY_EXISTS'));
  });

  it('is not made where it is configured, not read where others may, and not guessed at', async () => {
    await expect(loadMasterKey({ file: fresh(), make: false })).rejects.toMatchObject({
      code: 'MASTER_KEY_INVALID',
      message: expect.stringMatching(/no such file; .*put its copy back.*master-key generate/),
    });
    const open = fresh();
    writeFileSync(open, newMasterKeyText());
    chmodSync(open, 0o644);
    await expect(loadMasterKey({ file: open, make: true })).rejects.toEqual(
      refusal('KEY_FILE_EXPOSED'),
    );
    const cut = fresh();
    writeFileSync(cut, newMasterKeyText().slice(0, 20), { mode: 0o600 });
    await expect(loadMasterKey({ file: cut, make: true })).rejects.toEqual(
      refusal('MASTER_KEY_INVALID'),
    );
  });
});
