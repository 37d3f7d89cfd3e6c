import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadPolicies } from '../../src/policy/load.ts';
import { HEAD, KEYS, OPTIONS, folderOf, load, policyFile, refusals } from './site.ts';

const REQUIRE = 'require: [{ signatures: { by: [a] } }]';
const DIGEST = `sha256:${'ab'.repeat(32)}`;

describe('a policy file', () => {
  it('gets its defaults', async () => {
    const { policies, authorities } = await load({ 'p.yaml': policyFile(REQUIRE) });
    expect(authorities.map((each) => [each.name, each.keys.length])).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
    expect(policies).toMatchObject([
      {
        name: 'p',
        images: [{ text: '**', segments: ['**'] }],
        mode: 'enforce',
        push: 'reject',
        tags: 'registry',
        require: [{ by: ['a'], atLeast: 1, formats: ['cosign'], maxAge: null }],
        signedAs: [],
        bindTag: false,
        digests: 'any',
        blobs: 'open',
        delete: 'deny',
        holdFor: 86_400_000,
        authGrace: 0,
        exceptions: [],
        floor: false,
      },
    ]);
    expect(policies[0]?.source).toMatch(/p\.yaml:6$/);
  });

  it('keeps everything that it says', async () => {
    const { policies } = await load({
      'p.yaml': `${HEAD}policies:
  - name: p
    images: ["\${registry}/prod/**", other.example.com/x]
    mode: warn
    push: hold
    tags: registry
    require:
      - signatures: { by: [a, b], atLeast: 1, formats: [cosign], maxAge: 90d }
      - signatures: { by: [b] }
    signedAs: [OLD.example.com/prod, mirror.example.com]
    bindTag: true
    digests: any
    blobs: linked
    delete: allow
    holdFor: 36h
    authGrace: 30s
    floor: true
    exceptions:
      - { digest: "${DIGEST}", reason: "known", approvedBy: alice, expires: 2026-12-31 }
`,
    });
    expect(policies).toMatchObject([
      {
        images: [{ text: 'registry.example.com/prod/**' }, { text: 'other.example.com/x' }],
        mode: 'warn',
        push: 'hold',
        require: [
          { by: ['a', 'b'], atLeast: 1, maxAge: 90 * 86_400_000 },
          { by: ['b'], atLeast: 1, maxAge: null },
        ],
        signedAs: ['old.example.com/prod', 'mirror.example.com'],
        bindTag: true,
        digests: 'any',
        blobs: 'linked',
        delete: 'allow',
        holdFor: 36 * 3_600_000,
        authGrace: 30_000,
        floor: true,
        exceptions: [
          {
            digest: DIGEST,
            reason: 'known',
            approvedBy: 'alice',
            expires: new Date('2026-12-31T23:59:59.999Z'),
          },
        ],
      },
    ]);
  });

  it.each(['0', '-1', '3', '1.5', '.nan', '.inf', '"1"', 'true', '[1]', '1e999'])(
    'T-15: does not load with a threshold of %s where two are asked for',
    async (atLeast) => {
      const rule = `require: [{ signatures: { by: [a, b], atLeast: ${atLeast} } }]`;
      expect((await refusals({ 'p.yaml': policyFile(rule) })).join()).toMatch(
        /p\.yaml:8: expected a whole number from/,
      );
    },
  );

  it.each<[string, string, RegExp]>([
    [
      'an unknown key',
      policyFile(REQUIRE, 'pusch: hold'),
      /^p\.yaml:9: .*"pusch"; did you mean "push"\?$/,
    ],
    [
      'an unknown key of a rule',
      policyFile('require: [{ signatures: { by: [a], atleast: 1 } }]'),
      /^p\.yaml:8: .*did you mean "atLeast"\?$/,
    ],
    [
      'an unknown word',
      policyFile(REQUIRE, 'mode: enforced'),
      /:9: .*enforce or warn or off.*did you mean enforce\?/,
    ],
    [
      'another version',
      policyFile(REQUIRE).replace('version: 1', 'version: 2'),
      /:1: expected version 1, found 2/,
    ],
    ['no version', policyFile(REQUIRE).replace('version: 1\n', ''), /"version", found none/],
    [
      'an unknown authority',
      policyFile('require: [{ signatures: { by: [aa] } }]'),
      /:8: expected a known authority, found "aa"; did you mean a\?/,
    ],
    [
      'an authority twice in by',
      policyFile('require: [{ signatures: { by: [a, a] } }]'),
      /once under "by"/,
    ],
    ['nobody in by', policyFile('require: [{ signatures: { by: [] } }]'), /at least one authority/],
    ['no by', policyFile('require: [{ signatures: {} }]'), /"by", found none/],
    [
      'nothing required under enforce',
      policyFile(),
      /:6: expected at least one entry under "require"/,
    ],
    [
      'an empty require under enforce',
      policyFile('require: []'),
      /:8: expected at least one entry under "require"/,
    ],
    [
      'no formats',
      policyFile('require: [{ signatures: { by: [a], formats: [] } }]'),
      /at least one format/,
    ],
    [
      'a format to come',
      policyFile('require: [{ signatures: { by: [a], formats: [dct] } }]'),
      /format dct not available in this version; available: cosign/,
    ],
    [
      'another format to come',
      policyFile('require: [{ signatures: { by: [a], formats: [cosign, notation] } }]'),
      /format notation not available in this version; available: cosign/,
    ],
    [
      'a format of no design',
      policyFile('require: [{ signatures: { by: [a], formats: [cosing] } }]'),
      /did you mean cosign\?/,
    ],
    [
      'a format twice',
      policyFile('require: [{ signatures: { by: [a], formats: [cosign, cosign] } }]'),
      /once, found cosign again/,
    ],
    [
      'a threshold of 0',
      policyFile('require: [{ signatures: { by: [a, b], atLeast: 0 } }]'),
      /whole number from 1 to 2, found 0/,
    ],
    [
      'a negative threshold',
      policyFile('require: [{ signatures: { by: [a, b], atLeast: -1 } }]'),
      /whole number from 1 to 2, found -1/,
    ],
    [
      'a threshold that is no number',
      policyFile('require: [{ signatures: { by: [a, b], atLeast: .nan } }]'),
      /whole number from 1 to 2, found .nan/,
    ],
    [
      'an endless threshold',
      policyFile('require: [{ signatures: { by: [a, b], atLeast: .inf } }]'),
      /whole number from 1 to 2/,
    ],
    [
      'a fractional threshold',
      policyFile('require: [{ signatures: { by: [a, b], atLeast: 1.5 } }]'),
      /whole number from 1 to 2, found 1.5/,
    ],
    [
      'a threshold as text',
      policyFile('require: [{ signatures: { by: [a, b], atLeast: "1" } }]'),
      /whole number from 1 to 2/,
    ],
    [
      'a threshold over the number of authorities',
      policyFile('require: [{ signatures: { by: [a, b], atLeast: 3 } }]'),
      /whole number from 1 to 2, found 3/,
    ],
    [
      'a duration without a unit',
      policyFile('require: [{ signatures: { by: [a], maxAge: "90" } }]'),
      /duration from 1s to 3650d.*"90"/,
    ],
    [
      'a duration of nothing',
      policyFile('require: [{ signatures: { by: [a], maxAge: 0s } }]'),
      /duration from 1s/,
    ],
    ['a hold for ever', policyFile(REQUIRE, 'holdFor: 1000d'), /duration from 1s to 30d/],
    ['a number for a duration', policyFile(REQUIRE, 'holdFor: 24'), /expected text, found 24/],
    [
      'only current digests',
      policyFile(REQUIRE, 'digests: current'),
      /:9: expected a rule with dct among its "formats" where digests: current stands, found none/,
    ],
    [
      'the signed map',
      policyFile(REQUIRE, 'tags: signed'),
      /:9: expected a rule with dct among its "formats" where tags: signed stands, found none/,
    ],
    [
      'pinned roots of a policy',
      policyFile(REQUIRE, 'roots: [keys/a.pub]'),
      /:9: expected a rule with dct among its "formats" where "roots" stands/,
    ],
    [
      'pinned roots of a rule',
      policyFile('require: [{ signatures: { by: [a], roots: [keys/a.pub] } }]'),
      /:8: expected dct among "formats" where "roots" stands/,
    ],
    [
      "the repository's own keys",
      policyFile('require: [{ signatures: { by: ["@repository"] } }]'),
      /:8: expected dct among "formats" where @repository stands/,
    ],
    [
      'an unanchored pattern',
      policyFile(REQUIRE).replace("'**'", 'prod/**'),
      /:7: .*begins with a registry host/,
    ],
    ['a pattern twice', policyFile(REQUIRE).replace("'**'", "'**', '**'"), /every pattern once/],
    ['no pattern', policyFile(REQUIRE).replace("'**'", ''), /at least one pattern/],
    ['no images', policyFile(REQUIRE).replace(/ *images.*\n/, ''), /"images", found none/],
    ['no name', policyFile(REQUIRE).replace('name: p', 'mode: warn'), /"name", found none/],
    [
      'a name with a space',
      policyFile(REQUIRE).replace('name: p', 'name: a b'),
      /a name of at most 40/,
    ],
    [
      'a name that is too long',
      policyFile(REQUIRE).replace('name: p', `name: ${'p'.repeat(41)}`),
      /a name of at most 40/,
    ],
    [
      'signedAs for everything',
      policyFile(REQUIRE, 'signedAs: [old.example.com]'),
      /every pattern begins with a host/,
    ],
    [
      'signedAs with a star',
      policyFile(REQUIRE, 'signedAs: ["old.example.com/*"]'),
      /without wildcards/,
    ],
    ['signedAs without a host', policyFile(REQUIRE, 'signedAs: [old]'), /such as old-registry/],
    ['a truth that is text', policyFile(REQUIRE, 'floor: yes'), /true or false, found yes/],
    [
      'an exception without a reason',
      policyFile(
        REQUIRE,
        `exceptions: [{ digest: "${DIGEST}", approvedBy: x, expires: 2026-12-31 }]`,
      ),
      /"reason", found none/,
    ],
    [
      'an exception without an approver',
      policyFile(REQUIRE, `exceptions: [{ digest: "${DIGEST}", reason: x, expires: 2026-12-31 }]`),
      /"approvedBy", found none/,
    ],
    [
      'an exception without an end',
      policyFile(REQUIRE, `exceptions: [{ digest: "${DIGEST}", reason: x, approvedBy: x }]`),
      /"expires", found none/,
    ],
    [
      'an exception without a digest',
      policyFile(REQUIRE, 'exceptions: [{ reason: x, approvedBy: x, expires: 2026-12-31 }]'),
      /"digest", found none/,
    ],
    [
      'an exception with a day that is none',
      policyFile(
        REQUIRE,
        `exceptions: [{ digest: "${DIGEST}", reason: x, approvedBy: x, expires: 2026-02-31 }]`,
      ),
      /expected a day.*"2026-02-31"/,
    ],
    [
      'an exception with a cut digest',
      policyFile(
        REQUIRE,
        'exceptions: [{ digest: sha256:abc, reason: x, approvedBy: x, expires: 2026-12-31 }]',
      ),
      /expected sha256:/,
    ],
    [
      'an exception with two lines of reason',
      policyFile(
        REQUIRE,
        `exceptions: [{ digest: "${DIGEST}", reason: "x\\ny", approvedBy: x, expires: 2026-12-31 }]`,
      ),
      /one line/,
    ],
    [
      'two exceptions for a digest',
      policyFile(
        REQUIRE,
        `exceptions: [{ digest: "${DIGEST}", reason: x, approvedBy: x, expires: 2026-12-31 }, { digest: "${DIGEST}", reason: y, approvedBy: y, expires: 2027-12-31 }]`,
      ),
      /every digest once/,
    ],
    ['a duplicate key', policyFile(REQUIRE, 'mode: warn', 'mode: enforce'), /:10: .*"mode" again/],
    ['an anchor', policyFile('require: &r [{ signatures: { by: [a] } }]'), /no anchors or aliases/],
    ['a merge key', policyFile(REQUIRE, '<<: {}'), /known key, found "<<"/],
    ['a tag', policyFile('require: !!seq [{ signatures: { by: [a] } }]'), /no tags/],
    ['a directive', `%YAML 1.1\n---\n${policyFile(REQUIRE)}`, /no YAML directive/],
    ['two documents', `${policyFile(REQUIRE)}---\n${policyFile(REQUIRE)}`, /document/],
    ['an empty file', '', /a mapping, found nothing/],
    ['a list', '[]', /a mapping, found list/],
    ['nothing that is YAML', 'version: [', /p\.yaml/],
    ['deep nesting', `${'['.repeat(50_000)}`, /nesting|flow|expected/i],
    [
      'too many bytes',
      `${policyFile(REQUIRE)}#${'x'.repeat(1024 * 1024)}`,
      /at most 1048576 bytes/,
    ],
    [
      'a missing key file',
      policyFile(REQUIRE).replace('a.pub', 'c.pub'),
      /p\.yaml:3: .*c\.pub: expected a file, found none/,
    ],
    [
      'a key file above the folder',
      policyFile(REQUIRE).replace('keys/a.pub', '../a.pub'),
      /inside the policy folder/,
    ],
    [
      'an absolute key file',
      policyFile(REQUIRE).replace('keys/a.pub', '/a.pub'),
      /inside the policy folder/,
    ],
    [
      'a folder for a key file',
      policyFile(REQUIRE).replace('keys/a.pub', 'keys'),
      /expected a regular file/,
    ],
    [
      'an authority without keys',
      policyFile(REQUIRE).replace('[keys/a.pub]', '[]'),
      /at least one key file/,
    ],
    [
      'a key of two authorities',
      policyFile(REQUIRE).replace('keys/b.pub', 'keys/a.pub'),
      /:4: expected a key that belongs to nobody else, found the one of a at .*p\.yaml:3/,
    ],
    [
      'a key twice',
      policyFile(REQUIRE).replace('[keys/b.pub]', '[keys/b.pub, ./keys//b.pub]'),
      /belongs to nobody else/,
    ],
    [
      'an authority twice',
      policyFile(REQUIRE).replace('name: b', 'name: a'),
      /every authority once, found a also at .*p\.yaml:3/,
    ],
  ])('with %s does not load, and says where and why', async (_, text, expected) => {
    const found = await refusals({ 'p.yaml': text });
    expect(found.join('\n')).toMatch(expected);
  });

  it('shows all of its problems at once, and those of its neighbours', async () => {
    const found = await refusals({
      'a.yaml': policyFile('mode: enforced', 'push: hodl', REQUIRE, 'typo: 1'),
      'b.yaml': 'version: 1\npolicies: [{ name: q }]\n',
    });
    expect(found.map((line) => line.split(': ')[0])).toEqual([
      'a.yaml:11',
      'a.yaml:8',
      'a.yaml:9',
      'b.yaml:2',
      'b.yaml:2',
    ]);
  });

  it('never throws, whatever its bytes are', async () => {
    const dir = folderOf(KEYS);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (noise) => {
        const text = Buffer.from(policyFile(REQUIRE));
        const at = (noise[0] ?? 0) % text.length;
        const bytes = Buffer.concat([text.subarray(0, at), noise, text.subarray(at)]);
        writeFileSync(join(dir, 'p.yaml'), bytes);
        const loaded = await loadPolicies(dir, OPTIONS);
        expect(loaded.ok || loaded.refusal.code === 'POLICY_INVALID').toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it('may leave require out where it only warns', async () => {
    expect((await load({ 'p.yaml': policyFile('mode: warn') })).policies[0]?.require).toEqual([]);
  });
});
