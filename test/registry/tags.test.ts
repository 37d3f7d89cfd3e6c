import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isTag } from '../../src/oci/reference.ts';
import { compareTags, fileOfTag, tagOfFile } from '../../src/registry/tags.ts';

const tags = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/).filter(isTag);

describe('the file name of a tag', () => {
  it('is the tag itself where it has no capitals', () => {
    expect(fileOfTag('v1.2_rc-3')).toBe('v1.2_rc-3');
  });

  it('differs from that of every other tag, also where the file system ignores case', () => {
    fc.assert(
      fc.property(tags, tags, (a, b) => {
        expect(fileOfTag(a).toLowerCase() === fileOfTag(b).toLowerCase()).toBe(a === b);
      }),
    );
    expect(new Set(['v1', 'V1'].map(fileOfTag)).size).toBe(2);
  });

  it('gives the tag back, and fits a file name', () => {
    fc.assert(
      fc.property(tags, (tag) => {
        expect(tagOfFile(fileOfTag(tag))).toBe(tag);
        expect(fileOfTag(tag).length).toBeLessThan(255);
      }),
    );
    expect(tagOfFile(fileOfTag('Z'.repeat(128)))).toBe('Z'.repeat(128));
  });

  it('is the only one: other files in the folder are no tags', () => {
    for (const name of ['V1', 'v1=', 'v1=0', 'v1=01', 'v1=4', 'v1=f', '=1', '.x', 'a=b=c', ''])
      expect([name, tagOfFile(name)]).toEqual([name, undefined]);
  });
});

describe('compareTags', () => {
  it('orders by letters before case, and leaves no two tags equal', () => {
    expect(['b', 'B', 'a', 'C', 'A'].toSorted(compareTags)).toEqual(['A', 'a', 'B', 'b', 'C']);
    fc.assert(
      fc.property(tags, tags, (a, b) => {
        expect(Math.sign(compareTags(a, b))).toBe(-Math.sign(compareTags(b, a)) + 0);
        expect(compareTags(a, b) === 0).toBe(a === b);
      }),
    );
  });
});
