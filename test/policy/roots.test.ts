import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { notaryKeyId } from '../../src/keys/notary-key-id.ts';
import { parsePublicKey } from '../../src/keys/public-key.ts';
import { unwrap } from '../../src/lib/result.ts';
import { rootKeyOf } from '../../src/policy/roots.ts';
import { makeHand } from '../support/tuf.ts';
import { KEYS, OPTIONS, load, policyFile, refusals } from './site.ts';

const DCT = { ...OPTIONS, formats: ['cosign', 'dct'] as const };
const ID = 'a'.repeat(64);
const rule = (more = ''): string =>
  `require: [{ signatures: { by: ['@repository'], formats: [dct]${more} } }]`;
const certificate = async (): Promise<string> => {
  const root = await makeHand('ecdsa-p256', { gun: 'registry.example.com/a', now: new Date() });
  return Buffer.from(root.key.public, 'base64').toString();
};

describe('pinned roots', () => {
  it('are ids, public keys and certificates, of the policy and of its rules', async () => {
    const pem = await certificate();
    const set = await load(
      {
        'p.yaml': policyFile(rule(`, roots: [keys/root.pem]`), `roots: [keys/b.pub, ${ID}]`),
        'keys/root.pem': pem,
      },
      DCT,
    );
    const [policy] = set.policies;
    const ofB = unwrap(parsePublicKey(Buffer.from(KEYS['keys/b.pub'] ?? '')));
    expect(policy?.roots).toEqual([notaryKeyId(ofB), ID]);
    expect(policy?.require[0]?.roots).toEqual([unwrap(rootKeyOf(Buffer.from(pem)))]);
    expect(set.files).toContain('keys/root.pem');
  });

  it('are part of the revision', async () => {
    const text = policyFile(rule(), 'roots: [keys/root.pem]');
    const of = async (pem: string): Promise<string> =>
      (await load({ 'p.yaml': text, 'keys/root.pem': pem }, DCT)).revision;
    const pem = await certificate();
    expect(await of(pem)).toBe(await of(pem));
    expect(await of(await certificate())).not.toBe(await of(pem));
  });

  it.each<[string, string, RegExp]>([
    ['of nobody', 'roots: []', /:9: expected 1 to 64 roots, found 0/],
    ['outside the folder', 'roots: [../root.pem]', /:9: expected a key file inside the policy/],
    [
      'that are not there',
      'roots: [keys/none.pem]',
      /:9: .*none\.pem: expected a file, found none/,
    ],
    ['that are no key', 'roots: [keys/root.pem]', /:9: keys\/root\.pem: expected/],
    ['with half an id', `roots: [${'a'.repeat(63)}]`, /:9: .*expected a file, found none/],
  ])('%s do not load', async (_, line, expected) => {
    const files = { 'p.yaml': policyFile(rule(), line), 'keys/root.pem': 'nothing\n' };
    expect((await refusals(files, DCT)).join('\n')).toMatch(expected);
  });

  it('take one key from a file, and no weak one', async () => {
    const pem = await certificate();
    expect(rootKeyOf(Buffer.from(pem + pem))).toMatchObject({
      ok: false,
      refusal: { code: 'KEY_INVALID' },
    });
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const weak = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    expect(rootKeyOf(Buffer.from(weak))).toMatchObject({ refusal: { code: 'KEY_WEAK' } });
  });
});

describe('policies that ask for dct', () => {
  it.each([
    ['the map for tags', 'tags: signed', { tags: 'signed' }],
    ['what is signed now', 'digests: current', { digests: 'current' }],
  ])('take %s', async (_, line, expected) => {
    const set = await load({ 'p.yaml': policyFile(rule(), line) }, DCT);
    expect(set.policies[0]).toMatchObject(expected);
  });

  it('do not load where @repository could never sign', async () => {
    const text = policyFile("require: [{ signatures: { by: [a, '@repository'] } }]");
    expect((await refusals({ 'p.yaml': text }, DCT)).join()).toMatch(
      /:8: expected dct among "formats" where @repository stands/,
    );
  });
});
