import { describe, expect, it } from 'vitest';
import type { Output } from '../../cli/output.ts';
import { formatSize, showProgress } from '../../cli/progress.ts';
import { annotation, repeated } from '../../cli/repeated.ts';
import { digestOf } from '../../src/oci/digest.ts';

describe('progress without a terminal', () => {
  it('is one line for each blob when it is done', () => {
    const lines: string[] = [];
    const output: Output = {
      json: false,
      interactive: false,
      result: () => {},
      note: (text) => lines.push(text),
      warn: () => {},
      fail: () => {},
    };
    const progress = showProgress(output);
    const blob = { mediaType: 'x', digest: digestOf(Buffer.from('x')), size: 3400 };
    progress.onEvent({ kind: 'missing', blob });
    progress.onEvent({ kind: 'sent', blob, bytes: 1000 });
    progress.onEvent({ kind: 'uploaded', blob });
    progress.onEvent({ kind: 'found', blob });
    progress.end();
    expect(lines).toEqual([
      'sha256:2d711642b726   3.4 kB: uploaded',
      'sha256:2d711642b726   3.4 kB: already there',
    ]);
  });

  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [12_345_678, '12.3 MB'],
    [5e15, '5000.0 TB'],
  ])('%d bytes are %s', (bytes, text) => expect(formatSize(bytes)).toBe(text));
});

describe('options that may be repeated', () => {
  it('are collected in order', () => {
    expect(repeated('b', repeated('a', undefined))).toEqual(['a', 'b']);
    expect(annotation('b==x', annotation('a=', undefined))).toEqual({ a: '', b: '=x' });
  });

  it.each(['', 'a', '=x'])('refuse %j as an annotation', (text) => {
    expect(() => annotation(text, undefined)).toThrow(/NAME=VALUE/);
  });

  it('refuse an annotation given twice', () => {
    expect(() => annotation('a=2', { a: '1' })).toThrow(/once/);
  });
});
