import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { unwrap } from '../../src/lib/result.ts';
import { readFixture } from '../../src/policy/fixture.ts';
import { loadPolicies } from '../../src/policy/load.ts';
import { runCase } from '../../src/policy/run-fixture.ts';
import { VERIFIERS } from '../../src/trust/formats.ts';

const POLICIES = join(import.meta.dirname, '..', '..', 'policies');
const OPTIONS = {
  registryHost: 'registry.example.com',
  formats: VERIFIERS.map((verifier) => verifier.name),
};

const folders = readdirSync(POLICIES, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !['keys', 'tests'].includes(entry.name))
  .map((entry) => entry.name);
// The folder itself is a starter too: what `serve` runs with in a checkout.
const starters = [
  { name: 'default', folder: POLICIES, fixture: join(POLICIES, 'tests', 'default.yaml') },
  ...folders.map((name) => ({
    name,
    folder: join(POLICIES, name),
    fixture: join(POLICIES, name, 'tests', 'cases.yaml'),
  })),
];

describe('the starter policies', () => {
  it('are all here', () => {
    expect(folders.toSorted()).toEqual([
      'company-baseline',
      'docker-content-trust',
      'staging-hold',
      'two-person-rule',
      'warn-first',
    ]);
  });

  describe.each(starters)('$name', ({ folder, fixture }) => {
    it('begins with what it is for', () => {
      for (const name of readdirSync(folder).filter((file) => file.endsWith('.yaml'))) {
        const head = readFileSync(join(folder, name), 'utf8').split('\nversion:')[0] ?? '';
        const comment = head.split('\n').filter((line) => line.startsWith('#'));
        expect(`${name} ${comment.length > 3}`).toBe(`${name} true`);
      }
    });

    it('loads, and warns only of its example keys', async () => {
      const set = unwrap(await loadPolicies(folder, OPTIONS));
      const warnings = set.warnings.filter((text) => !text.includes('written by everyone'));
      expect(warnings).toHaveLength(set.authorities.length);
      for (const warning of warnings)
        expect(warning).toMatch(/example key that nobody can sign with/);
    });

    it('decides as its cases say', async () => {
      const set = unwrap(await loadPolicies(folder, OPTIONS));
      expect(existsSync(fixture)).toBe(true);
      const cases = unwrap(
        readFixture(readFileSync(fixture), fixture, {
          set,
          registryHost: OPTIONS.registryHost,
          now: new Date('2026-11-21T00:00:00Z'),
        }),
      );
      const wrong = cases.flatMap((test) => {
        const { difference } = runCase(set, test);
        return difference === null ? [] : [`${test.name}: ${difference}`];
      });
      expect(wrong).toEqual([]);
      const used = new Set(cases.map((test) => test.expected.decision));
      expect(used).toEqual(new Set(['allow', 'deny']));
    });
  });
});
