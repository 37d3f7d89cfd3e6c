import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readFixture } from '../../src/policy/fixture.ts';
import { FIELDS } from '../../src/policy/fields.ts';
import { load, publicKeyPem } from './site.ts';

const text = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'policy.md'), 'utf8');
const blocks = [...text.matchAll(/```yaml\n([^]*?)```/g)].map((match) => match[1] ?? '');
const blockWith = (part: string): string => {
  const block = blocks.find((each) => each.includes(part));
  if (block === undefined) throw new Error(`expected an example with ${part} in docs/policy.md`);
  return block;
};

describe('docs/policy.md', () => {
  it('has every key of a policy file', () => {
    const keys = Object.values(FIELDS).flatMap((part) => Object.keys(part));
    const missing = keys.filter((key) => !text.includes(`\`${key}\``) && !text.includes(`${key}:`));
    expect(keys.length).toBeGreaterThan(25);
    expect(missing).toEqual([]);
  });

  it('begins with a policy that loads', async () => {
    const set = await load({
      'p.yaml': blockWith('version: 1\nauthorities'),
      'keys/release-bot.pub': publicKeyPem(),
    });
    expect(set.policies[0]?.images[0]?.text).toBe('registry.example.com/prod/**');
  });

  it('has an exception and a requirement that load', async () => {
    const names = ['release-bot', 'security', 'alice', 'bob', 'carol'];
    const body = [
      blockWith('exceptions:\n'),
      blockWith('require:\n  - signatures: { by: [release-bot, security]'),
    ].join('');
    const set = await load({
      ...Object.fromEntries(names.map((name) => [`keys/${name}.pub`, publicKeyPem()])),
      'p.yaml': [
        'version: 1',
        'authorities:',
        ...names.map((name) => `  - { name: ${name}, keys: [keys/${name}.pub] }`),
        'policies:',
        '  - name: p',
        "    images: ['**']",
        ...body.split('\n').map((line) => `    ${line}`),
      ].join('\n'),
    });
    expect(set.policies[0]).toMatchObject({
      require: [{ atLeast: 2 }, { atLeast: 1 }],
      exceptions: [{ approvedBy: 'alice' }],
    });
  });

  it('has a fixture that loads', async () => {
    const set = await load({
      'p.yaml': blockWith('version: 1\nauthorities'),
      'keys/release-bot.pub': publicKeyPem(),
      'keys/second.pub': publicKeyPem(),
    });
    const fixture = blockWith('cases:').replace('sha256:…', `sha256:${'0'.repeat(64)}`);
    const options = { set, registryHost: 'registry.example.com', now: new Date(0) };
    expect(readFixture(Buffer.from(fixture), 'f.yaml', options)).toMatchObject({
      ok: true,
      value: [{ subject: { tag: '1.2' }, expected: { code: 'NOT_TRUSTED' } }],
    });
  });
});
