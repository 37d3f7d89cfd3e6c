import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadPolicies } from '../../src/policy/load.ts';
import { HEAD, KEYS, OPTIONS, folderOf, load, policyFile, publicKeyPem, refusals } from './site.ts';

const REQUIRE = 'require: [{ signatures: { by: [a] } }]';

describe('a policy folder', () => {
  it('shares authorities between its files, and reads only files that lie in it', async () => {
    const set = await load({
      'authorities.yml': HEAD,
      'p.yaml': `version: 1\npolicies: [{ name: p, images: ['**'], ${REQUIRE} }]\n`,
      'tests/cases.yaml': 'no policy',
      '.hidden.yaml': 'no policy',
      'README.md': 'no policy',
    });
    expect(set.policies.map((policy) => policy.name)).toEqual(['p']);
    expect(set.files).toEqual(['authorities.yml', 'p.yaml', 'keys/a.pub', 'keys/b.pub']);
  });

  it('refuses a policy name in two files', async () => {
    const other = `version: 1\npolicies: [{ name: p, images: ['\${registry}/x'], ${REQUIRE} }]\n`;
    const found = await refusals({ 'a.yaml': policyFile(REQUIRE), 'b.yaml': other });
    expect(found[0]).toMatch(
      /^b\.yaml:2: expected every policy name once, found p also at .*a\.yaml:6/,
    );
  });

  it('refuses patterns of which none is more specific, naming both places', async () => {
    const other = `version: 1\npolicies: [{ name: q, images: ['\${registry}/prod/*-x'], ${REQUIRE} }]\n`;
    const found = await refusals({
      'a.yaml': policyFile(REQUIRE).replace("'**'", "'${registry}/prod/x-*'"),
      'b.yaml': other,
    });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(
      /^b\.yaml:2: expected patterns of which one is more specific.*\/prod\/\*-x".*\/prod\/x-\*" of policy p at .*a\.yaml:7/,
    );
  });

  it('refuses one repository under two names of one host', async () => {
    const aliases = new Map([['registry.internal', 'registry.example.com']]);
    const other = `version: 1\npolicies: [{ name: q, images: [registry.internal/prod], ${REQUIRE} }]\n`;
    const files = {
      'a.yaml': policyFile(REQUIRE).replace("'**'", "'${registry}/prod'"),
      'b.yaml': other,
    };
    expect((await load(files)).policies).toHaveLength(2);
    expect((await refusals(files, { ...OPTIONS, aliases }))[0]).toMatch(/more specific/);
  });

  it('that is missing, empty, or has no policy says what to do', async () => {
    const missing = await loadPolicies(join(folderOf({}), 'policies'), OPTIONS);
    expect(missing.ok ? '' : missing.refusal.message).toMatch(/no such folder; begin with a copy/);
    expect(await refusals({})).toEqual([
      expect.stringMatching(/expected policy files .* directly in this folder.*--policies/),
    ]);
    expect(await refusals({ 'production/p.yaml': policyFile(REQUIRE) })).toEqual([
      expect.stringMatching(/found none \(the YAML files in production\/ below .* are not read/),
    ]);
    expect(await refusals({ 'a.yaml': HEAD })).toEqual([
      expect.stringMatching(/at least one policy/),
    ]);
  });

  it('has another revision after any change of a name or byte, and the same after none', async () => {
    const base = { 'a.yaml': policyFile(REQUIRE) };
    const revisions = await Promise.all(
      [
        base,
        { 'b.yaml': policyFile(REQUIRE) },
        { 'a.yaml': `${policyFile(REQUIRE)}#` },
        { ...base, 'keys/a.pub': publicKeyPem() },
      ].map(async (files) => (await load(files)).revision),
    );
    expect(new Set(revisions).size).toBe(4);
    expect(revisions[0]).toMatch(/^[0-9a-f]{64}$/);
    expect((await load(base)).revision).toBe(revisions[0]);
    expect((await load({ ...base, 'README.md': 'x' })).revision).toBe(revisions[0]);
  });

  it('follows links inside it, as Kubernetes mounts them, and none that lead out', async () => {
    const dir = folderOf({ '..data/p.yaml': policyFile(REQUIRE), ...KEYS });
    symlinkSync('..data/p.yaml', join(dir, 'p.yaml'));
    expect((await loadPolicies(dir, OPTIONS)).ok).toBe(true);
    const outside = folderOf({ 'p.yaml': policyFile(REQUIRE), ...KEYS });
    symlinkSync(join(outside, 'p.yaml'), join(dir, 'q.yaml'));
    const loaded = await loadPolicies(dir, OPTIONS);
    expect(loaded.ok ? '' : loaded.refusal.message).toMatch(/q\.yaml: .*leads out of it/);
  });

  it('refuses a key that is a link out of it', async () => {
    const outside = folderOf({ 'a.pub': publicKeyPem() });
    const dir = folderOf({ 'p.yaml': policyFile(REQUIRE), 'keys/b.pub': publicKeyPem() });
    symlinkSync(join(outside, 'a.pub'), join(dir, 'keys/a.pub'));
    const loaded = await loadPolicies(dir, OPTIONS);
    expect(loaded.ok ? '' : loaded.refusal.message).toMatch(/p\.yaml:3: .*leads out of it/);
  });

  it('is not kept waiting by a pipe', async () => {
    const dir = folderOf({ 'a.yaml': policyFile(REQUIRE), ...KEYS });
    execFileSync('mkfifo', [join(dir, 'p.yaml')]);
    const loaded = await loadPolicies(dir, OPTIONS);
    expect(loaded.ok ? '' : loaded.refusal.message).toMatch(/expected a regular file/);
  });

  it('warns of YAML files in folders below it, which nobody reads', async () => {
    const files = { 'p.yaml': policyFile(REQUIRE), ...KEYS };
    const warningsOf = async (
      more: Readonly<Record<string, string>>,
    ): Promise<readonly string[]> => {
      const dir = folderOf({ ...files, ...more });
      const loaded = await loadPolicies(dir, OPTIONS);
      if (!loaded.ok) throw new Error(loaded.refusal.message);
      return loaded.value.warnings.map((text) => text.replaceAll(dir, 'DIR'));
    };
    const known = { 'tests/a.yaml': '', 'keys/a.yaml': '', '..data/p.yaml': '', 'notes/a.md': '' };
    expect(await warningsOf(known)).toEqual([]);
    expect(await warningsOf({ 'docker-content-trust/policy.yaml': 'not read' })).toEqual([
      'the YAML files in docker-content-trust/ below DIR are not read, only those directly in DIR; move them there, or name that folder with --policies',
    ]);
    const starters = { 'policy.schema.json': '{}', 'docker-content-trust/policy.yaml': '' };
    expect(await warningsOf(starters)).toEqual([]);
    const many = { 'e/p.yml': '', 'd/p.yml': '', 'c/p.yml': '', 'b/p.yml': '', 'b/q.yml': '' };
    expect(await warningsOf(many)).toEqual([expect.stringContaining('in b/, c/, d/ and 1 more')]);
  });

  it('warns of what everybody can write', async () => {
    const dir = folderOf({ 'p.yaml': policyFile(REQUIRE), ...KEYS });
    chmodSync(join(dir, 'p.yaml'), 0o666);
    chmodSync(join(dir, 'keys/a.pub'), 0o646);
    chmodSync(dir, 0o777);
    const loaded = await loadPolicies(dir, OPTIONS);
    expect(loaded.ok ? loaded.value.warnings.map((text) => text.replace(dir, '')) : []).toEqual([
      ' can be written by everyone: chmod o-w it',
      '/p.yaml can be written by everyone: chmod o-w it',
      '/keys/a.pub can be written by everyone: chmod o-w it',
    ]);
  });

  it('with a file for a folder says so', async () => {
    const dir = folderOf({ file: '' });
    const loaded = await loadPolicies(join(dir, 'file'), OPTIONS);
    expect(loaded.ok ? '' : loaded.refusal.message).toMatch(/expected a folder/);
    mkdirSync(join(dir, 'p.yaml'));
    expect((await loadPolicies(dir, OPTIONS)).ok).toBe(false);
  });

  it('bounds its patterns', async () => {
    const images = Array.from({ length: 100 }, (_, i) => `h${i}.example.com/x`).join(', ');
    const policies = Array.from(
      { length: 11 },
      (_, i) => `  - { name: p${i}, images: [${images.replaceAll('/x', `/x${i}`)}], ${REQUIRE} }`,
    );
    const found = await refusals({ 'p.yaml': `${HEAD}policies:\n${policies.join('\n')}\n` });
    expect(found[0]).toMatch(/at most 1000 image patterns over all files, found 1100/);
  });
});
