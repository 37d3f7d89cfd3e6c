import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import fastify from 'fastify';
import { format } from 'prettier';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { policyJsonSchema } from '../../src/policy/json-schema.ts';
import { VERIFIERS } from '../../src/trust/formats.ts';
import { policyFile } from './site.ts';

const POLICIES = join(import.meta.dirname, '..', '..', 'policies');
const schema = policyJsonSchema(VERIFIERS.map((each) => each.name));

/** Judges documents by the schema with the validator that fastify brings (ajv), unaltered by its coercions. */
async function validator(): Promise<(document: unknown) => Promise<boolean>> {
  const app = fastify({
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
  });
  onTestFinished(() => app.close());
  const { $schema: _, ...body } = schema;
  app.post('/', { schema: { body } }, () => 'valid');
  await app.ready();
  return async (document) => {
    const answer = await app.inject({
      method: 'POST',
      url: '/',
      headers: { 'content-type': 'application/json' },
      payload: JSON.stringify(document),
    });
    return answer.statusCode === 200;
  };
}

describe('the JSON schema for editors', () => {
  it('is the committed one (npx vitest run test/policy/json-schema.test.ts -u writes it)', async () => {
    const text = await format(JSON.stringify(schema), { parser: 'json', printWidth: 100 });
    await expect(text).toMatchFileSnapshot(join(POLICIES, 'policy.schema.json'));
  });

  it('accepts the starter policies, each of which names it', async () => {
    const valid = await validator();
    const files = readdirSync(POLICIES, { recursive: true, encoding: 'utf8' }).filter(
      (name) => name.endsWith('.yaml') && !name.includes('tests/'),
    );
    expect(files.length).toBeGreaterThan(4);
    for (const name of files) {
      const text = readFileSync(join(POLICIES, name), 'utf8');
      const up = name.includes('/') ? '..' : '.';
      expect(text.split('\n')[0]).toBe(`# yaml-language-server: $schema=${up}/policy.schema.json`);
      expect([name, await valid(parse(text))]).toEqual([name, true]);
    }
  });

  it.each([
    ['what loads', true, policyFile('require: [{ signatures: { by: [a], maxAge: 90d } }]')],
    ['an unknown key', false, policyFile('pusch: hold')],
    ['an unknown word', false, policyFile('mode: enforced')],
    ['a threshold of 0', false, policyFile('require: [{ signatures: { by: [a], atLeast: 0 } }]')],
    [
      'a format to come',
      false,
      policyFile('require: [{ signatures: { by: [a], formats: [notation] } }]'),
    ],
    ['a number for a duration', false, policyFile('holdFor: 24')],
    ['the signed map', true, policyFile('tags: signed')],
    ['a word that tags does not have', false, policyFile('tags: latest')],
    [
      'an exception without an end',
      false,
      policyFile('exceptions: [{ digest: x, reason: x, approvedBy: x }]'),
    ],
    ['a name with a space', false, policyFile().replace('name: p', 'name: a b')],
  ])('on %s says %s', async (_, expected, text) => {
    const valid = await validator();
    expect(await valid(parse(text))).toBe(expected);
  });
});
