import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { YamlNode } from '../../src/lib/yaml-node.ts';
import { readYaml } from '../../src/lib/yaml.ts';

const limits = { code: 'CONFIG_INVALID', maxBytes: 100_000 } as const;

/** The refusal's message, or what the reader built. */
function read(text: string, build: (root: YamlNode) => unknown = (root) => root.kind): unknown {
  const document = readYaml(Buffer.from(text), 'f.yaml', limits);
  if (!document.ok) return document.refusal.message;
  const built = document.value.finish(build(document.value.root));
  return built.ok ? built.value : built.refusal.message;
}

describe('strict YAML', () => {
  it.each([
    ['a: 1\na: 2', 'f.yaml:2: expected every key once, found "a" again'],
    // T-66: an alias makes much out of little.
    ['a: &x 1', 'f.yaml:1: expected no anchors or aliases; write the value out'],
    ['a: !!str 1', 'f.yaml:1: expected no tags, found tag:yaml.org,2002:str'],
    ['a: !x [1]', 'f.yaml:1: expected no tags, found !x'],
    ['%YAML 1.1\n---\na: yes', /f\.yaml:1: expected no YAML directive/],
    ['a: 1\n---\nb: 2', /f\.yaml:2: .*multiple documents/],
    ['1: 2', 'f.yaml:1: expected a key that is text'],
    ['? [a]\n: 2', 'f.yaml:1: expected a key that is text'],
    ['a:\n  - {b: 1', /f\.yaml:2: flow map/],
    [`${'- '.repeat(40)}a`, /expected at most 16 levels of nesting/],
    ['a: "x\nb: 1', /f\.yaml:\d: missing closing "quote/],
    [
      'a:\n  - b: 1\n   c: 2\n    d: 3',
      /^f\.yaml:3: [^\n]*; look at the indentation and the quotes/,
    ],
  ])('refuses %j', (text, message) => {
    expect(String(read(text)).split('\n')[0]).toMatch(message);
  });

  it('names the one slip that makes the lines after it unreadable, too', () => {
    expect(String(read('a:\n  - b: 1\n   c: 2\n    d: 3\n e: 4'))).not.toContain('\n');
  });

  it.each(['[', '- ', '{', '{a: ', 'a: [', '? '])(
    'T-66: refuses endless nesting of %j',
    (opening) => {
      expect(read(opening.repeat(20_000))).toMatch(/f\.yaml:.*(?:nesting|flow|block|key)/);
    },
  );

  it('refuses bytes that are not UTF-8 and files over the limit', () => {
    const invalid = readYaml(Buffer.from([0x61, 0xff]), 'f.yaml', limits);
    const large = readYaml(Buffer.alloc(100_001, 0x20), 'f.yaml', limits);
    expect(invalid).toMatchObject({
      refusal: { message: 'f.yaml: expected UTF-8, found invalid bytes' },
    });
    expect(large).toMatchObject({
      refusal: { message: expect.stringMatching(/at most 100000 bytes/) as string },
    });
  });

  it('takes the words of YAML 1.1 for text', () => {
    const words = (root: YamlNode): unknown => root.texts();
    expect(read('[on, off, yes, no, 2026-12-31, 12:30:45]', words)).toEqual([
      'on',
      'off',
      'yes',
      'no',
      '2026-12-31',
      '12:30:45',
    ]);
  });

  it('names the nearest known key, or all of them where none is near', () => {
    const keys = (root: YamlNode): unknown => root.mapping(['policies', 'data']) && 'built';
    expect(read('data: 1\npolcies: 2', keys)).toBe(
      'f.yaml:2: expected a known key, found "polcies"; did you mean "policies"?',
    );
    expect(read('zzzzzzzzzz: 1', keys)).toBe(
      'f.yaml:1: expected a known key, found "zzzzzzzzzz"; known are policies, data',
    );
  });

  it('says what was expected and found, with the line, for all problems at once', () => {
    const text = 'name: 5443\non: "yes"\nmode: enforced\ncount: 0\nlist: {}\nempty:\nblank: ""';
    const build = (root: YamlNode): unknown => {
      const map = root.mapping(['name', 'on', 'mode', 'count', 'list', 'empty', 'blank', 'must']);
      map?.get('name')?.text();
      map?.get('on')?.boolean();
      map?.get('mode')?.oneOf(['enforce', 'warn']);
      map?.get('count')?.integer(1, 5);
      map?.get('list')?.list();
      map?.get('empty')?.text();
      map?.get('blank')?.text();
      map?.need('must');
      return 'built';
    };
    expect(String(read(text, build)).split('\n')).toEqual([
      'f.yaml:1: expected text, found 5443; put it in quotes',
      'f.yaml:2: expected true or false, found yes',
      'f.yaml:3: expected enforce or warn, found "enforced"; did you mean enforce?',
      'f.yaml:4: expected a whole number from 1 to 5, found 0',
      'f.yaml:5: expected a list, found mapping',
      'f.yaml:6: expected text, found nothing',
      'f.yaml:7: expected text, found an empty one',
      'f.yaml:1: expected the key "must", found none',
    ]);
  });

  it('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), (text) => {
        const result = readYaml(Buffer.from(text), 'f.yaml', limits);
        expect(typeof result.ok).toBe('boolean');
      }),
    );
  });

  it('reads back every text and number that JSON can write', () => {
    const plain = fc.dictionary(
      fc.string({ minLength: 1 }),
      fc.oneof(fc.string({ minLength: 1 }), fc.integer({ min: 0, max: 1000 })),
    );
    fc.assert(
      fc.property(plain, (value) => {
        const keys = Object.keys(value);
        const back = read(JSON.stringify(value), (root) => {
          const map = root.mapping(keys);
          return keys.map((key) => {
            const node = map?.get(key);
            return node?.kind === 'text' ? node.text() : node?.integer(0, 1000);
          });
        });
        expect(back).toEqual(Object.values(value));
      }),
    );
  });
});
