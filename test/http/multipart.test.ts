import { Busboy } from '@fastify/busboy';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FormOutcome } from '../../src/http/multipart.ts';
import { readForm } from '../../src/http/multipart.ts';

const TYPE = 'multipart/form-data; boundary=abc';
const part = (name: string, content: string): string =>
  `--abc\r\nContent-Disposition: form-data; name="files"; filename="${name}"\r\nContent-Type: application/octet-stream\r\n\r\n${content}\r\n`;
const END = '--abc--\r\n';

const read = (body: string | Buffer, type: string | undefined = TYPE, most = 10): FormOutcome =>
  readForm(type, Buffer.from(body), most);
const shown = (outcome: FormOutcome): unknown =>
  outcome.ok
    ? outcome.parts.map(({ fileName, content }) => [fileName, Buffer.from(content).toString()])
    : outcome.why;

describe('a multipart body', () => {
  it('is read part by part, file names with their slashes and dots as they are', () => {
    const names = ['root', 'targets.json', 'targets/releases', '../../etc/x', 'a\\\\b', 'é', ' '];
    const body = names.map((name, at) => part(name, `{"n":${at}}`)).join('') + END;
    const read_ = names.map((name, at) => [name.replace('\\\\', '\\'), `{"n":${at}}`]);
    expect(shown(read(body))).toEqual(read_);
  });

  it('keeps content byte for byte: line ends, delimiters of others, nothing at all', () => {
    const contents = ['', '\r\n', '\r\n\r\n', '--ab', '\r\n--ab', '\n--abc', '\0ÿ'];
    const body = contents.map((content) => part('root', content)).join('') + END;
    expect(shown(read(body))).toEqual(contents.map((content) => ['root', content]));
  });

  it('of nothing is what docker sends where nothing is new: Go begins its end with CRLF', () => {
    expect(shown(read(`\r\n${END}`))).toEqual([]);
    expect(shown(read(END))).toEqual([]);
    expect(shown(read(`\r\n${part('root', 'x')}${END}`))).toBe('malformed');
    expect(shown(read(`\r\n\r\n${END}`))).toBe('malformed');
  });

  it.each([
    [
      'one without a file name',
      '--abc\r\nContent-Disposition: form-data; name="files"\r\n\r\nx\r\n',
    ],
    ['an empty file name', '--abc\r\nContent-Disposition: form-data; filename=""\r\n\r\nx\r\n'],
    ['no disposition', '--abc\r\nContent-Type: text/plain\r\n\r\nx\r\n'],
    ['another disposition', '--abc\r\nContent-Disposition: attachment; filename="a"\r\n\r\nx\r\n'],
  ])('shows a part with %s as one without name', (_what, text) => {
    expect(shown(read(text + END))).toEqual([[null, 'x']]);
  });

  it.each([
    undefined,
    '',
    'application/json',
    'multipart/form-data',
    'multipart/form-data; boundary=',
    'multipart/form-data; boundary=abc; boundary=abd',
    `multipart/form-data; boundary=${'a'.repeat(71)}`,
    'multipart/form-data; boundary="a\tb"',
    'multipart/form-data; boundary="abc',
    'multipart/form-data; boundary="abc "',
    'multipart/mixed; boundary=abc',
    'xmultipart/form-data; boundary=abc',
  ])('is none where Content-Type is %j', (type) => {
    expect(readForm(type, Buffer.from(part('root', '{}') + END), 10)).toEqual({
      ok: false,
      why: 'malformed',
    });
  });

  it.each([
    ['quoted', 'multipart/form-data; boundary="abc"'],
    ['in other case and with more beside', 'Multipart/Form-Data; charset=utf-8; Boundary=abc'],
  ])('is read where the boundary is %s', (_what, type) => {
    expect(shown(read(part('root', '{}') + END, type))).toEqual([['root', '{}']]);
  });

  it.each([
    ['something before the first delimiter', `x\r\n${part('root', '{}')}${END}`],
    ['an empty line before it', `\r\n${part('root', '{}')}${END}`],
    ['something behind the last', `${part('root', '{}')}${END}x`],
    ['a part behind the last', `${END}${part('root', '{}')}${END}`],
    ['blanks behind a delimiter', part('root', '{}').replace('--abc\r\n', '--abc \r\n') + END],
    ['line ends of one byte', (part('root', '{}') + END).replaceAll('\r\n', '\n')],
    ['no header', `--abc\r\n\r\nx\r\n${END}`],
    ['no line between header and content', `--abc\r\nContent-Disposition: form-data\r\n${END}`],
    [
      'two dispositions',
      part('root', '{}').replace(
        'Content-Type: application/octet-stream',
        'Content-Disposition: form-data; filename="targets"',
      ) + END,
    ],
    ['two file names', part('root"; filename="targets', '{}') + END],
    ['a file name that is not closed', part('root', '{}').replace('root"', 'root') + END],
    ['a folded header', part('root', '{}').replace('; filename', ';\r\n filename') + END],
    ['a line end in a name', part('ro\not', '{}') + END],
    ['a NUL in a name', part('ro\0ot', '{}') + END],
    ['a header without colon', part('root', '{}').replace('Content-Type: ', 'Content-Type ') + END],
    ['a longer delimiter', part('root', 'x\r\n--abcd') + END],
    ['a huge header', part('r'.repeat(5000), '{}') + END],
  ])('is refused with %s', (_what, body) => {
    expect(shown(read(body))).toBe('malformed');
  });

  it('is bounded in its parts', () => {
    const body = part('root', '{}').repeat(3) + END;
    expect(shown(read(body, TYPE, 2))).toBe('malformed');
    expect(read(body, TYPE, 3).ok).toBe(true);
    expect(shown(read(END, TYPE, 2))).toEqual([]);
  });

  it('says that it is cut wherever it is, and never gives a part of it', () => {
    const whole = part('root', '{"a":1}') + part('targets', '{}') + '--abc--';
    for (let at = 0; at < whole.length; at++) {
      expect.soft(shown(read(whole.slice(0, at))), whole.slice(0, at)).toBe('cut');
    }
    expect(read(whole).ok).toBe(true);
  });

  /** What @fastify/busboy reads. */
  const oracle = (body: Buffer, type: string): Promise<unknown> =>
    new Promise((resolve) => {
      const found: [string | null, string][] = [];
      const busboy = new Busboy({
        headers: { 'content-type': type },
        preservePath: true,
        isPartAFile: () => true,
      });
      busboy.on('file', (_field, stream, fileName: string | undefined) => {
        const at =
          found.push([fileName === undefined || fileName === '' ? null : fileName, '']) - 1;
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('error', () => resolve('cut'));
        stream.on('end', () => {
          const entry = found[at];
          if (entry !== undefined) entry[1] = Buffer.concat(chunks).toString('latin1');
        });
      });
      busboy.on('error', () => resolve('refused'));
      busboy.on('finish', () => resolve(found));
      busboy.end(body);
    });

  const token = fc.oneof(
    fc.constantFrom('--abc', '--abc--', '\r\n', '\r\n\r\n', '\n', '--', '{}', ' ', '\t', 'x'),
    fc.constantFrom(
      'Content-Disposition: form-data; name="files"; filename="root"',
      'Content-Disposition: form-data; filename="targets/releases"',
      'Content-Type: text/plain',
    ),
  );
  const wild = fc.array(token, { maxLength: 14 }).map((list) => list.join(''));
  const bent = fc
    .tuple(
      fc.array(fc.tuple(fc.constantFrom('root', 'targets/a', '..', 'x.json'), fc.string()), {
        minLength: 1,
        maxLength: 4,
      }),
      fc.nat(),
      fc.constantFrom('', '\r', '\n', '-', '"', '--abc', '\0', ' '),
    )
    .map(([list, at, text]) => {
      const body = list.map(([name, content]) => part(name, content)).join('') + END;
      const cut = at % (body.length + 1);
      return body.slice(0, cut) + text + body.slice(cut);
    });

  it('T-59: says the same as another reader wherever it accepts, whatever is sent', async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(fc.oneof(wild, bent), async (text) => {
        const body = Buffer.from(text, 'utf8');
        const outcome = readForm(TYPE, body, 10);
        // A part without a name is refused by whoever asked.
        if (!outcome.ok || outcome.parts.length === 0) return;
        if (outcome.parts.some((one) => one.fileName === null)) return;
        accepted++;
        const mine = outcome.parts.map(({ fileName, content }) => [
          fileName,
          Buffer.from(content).toString('latin1'),
        ]);
        expect(await oracle(body, TYPE)).toEqual(mine);
      }),
      { numRuns: 2000 },
    );
    expect(accepted).toBeGreaterThan(50);
  });
});
