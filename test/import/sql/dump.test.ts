import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { binaryValue } from '../../../src/import/sql/binary-value.ts';
import type { DumpRow } from '../../../src/import/sql/dump-row.ts';
import { dumpRows } from '../../../src/import/sql/dump.ts';

const POSTGRES = '--\n-- PostgreSQL database dump\n--\n\nSET standard_conforming_strings = on;\n';
const POSTGRES_END = '\n--\n-- PostgreSQL database dump complete\n--\n';
const MYSQL = '-- MySQL dump 10.13  Distrib 5.7.44\n/*!40101 SET NAMES utf8 */;\n';
const MYSQL_END = '-- Dump completed on 2026-11-21 10:00:00\n';
const TABLE = 'CREATE TABLE public.t (\n  id integer NOT NULL,\n  data bytea\n);\n';
const MYSQL_TABLE =
  'CREATE TABLE `t` (\n `id` int(11) NOT NULL AUTO_INCREMENT,\n `data` longblob NOT NULL,\n PRIMARY KEY (`id`),\n UNIQUE KEY `u` (`id`,`data`)\n) ENGINE=InnoDB;\n';

/** Hands a text over in pieces of `size` bytes. */
async function* pieces(text: string, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  await Promise.resolve();
}

async function read(text: string, size = 7): Promise<readonly DumpRow[]> {
  const rows: DumpRow[] = [];
  for await (const row of dumpRows('dump.sql', pieces(text, size), new Set(['t']))) rows.push(row);
  return rows;
}

const columns = (rows: readonly DumpRow[]): unknown[] =>
  rows.map((row) => Object.fromEntries(row.columns));

describe('a dump of pg_dump', () => {
  it('is read from COPY, with NULLs, escapes and the columns that it names', async () => {
    const rows = await read(
      `${POSTGRES}COPY public.t (data, id, note) FROM stdin;\n\\\\x7b7d\t1\t\\N\n\\\\x00\t2\ta\\tb\\\\\\n\\x41\\101\n\\.\n${POSTGRES_END}`,
    );
    expect(columns(rows)).toEqual([
      { data: '\\x7b7d', id: '1', note: null },
      { data: '\\x00', id: '2', note: 'a\tb\\\nAA' },
    ]);
    expect(rows.map((row) => row.at.line)).toEqual([7, 8]);
  });

  it('is read from INSERT, with and without columns, one row or many, line ends and quotes inside', async () => {
    const rows = await read(
      `${POSTGRES}${TABLE}INSERT INTO public.t VALUES (1, '\\x7b'), (-2, NULL);\nINSERT INTO "public"."t" (data, id) VALUES ('it''s;\n-- no comment', 3);${POSTGRES_END}`,
    );
    expect(columns(rows)).toEqual([
      { id: '1', data: '\\x7b' },
      { id: '-2', data: null },
      { id: '3', data: "it's;\n-- no comment" },
    ]);
  });

  it('may have other tables, functions with dollar quotes and psql commands, which are passed over', async () => {
    const rows = await read(
      `${POSTGRES}\\restrict abc\nCREATE FUNCTION f() RETURNS void AS $x$ BEGIN; 'unended $$ $y$ $x$ LANGUAGE sql;\nCOPY public.other (a) FROM stdin;\nINSERT INTO t VALUES (9);\n\\.\n/* a ; comment ** */ ${TABLE}INSERT INTO other VALUES ('x');\nINSERT INTO t VALUES (1, NULL);\n\\unrestrict abc\n${POSTGRES_END}`,
    );
    expect(columns(rows)).toEqual([{ id: '1', data: null }]);
  });

  it.each([
    ['a file that ends early', `${POSTGRES}${TABLE}INSERT INTO t VALUES (1, NULL);\n`, 'cut off'],
    ['COPY without its end', `${POSTGRES}COPY t (id) FROM stdin;\n1\n`, 'dump.sql:8: expected \\.'],
    [
      'a value that does not end',
      `${POSTGRES}${TABLE}INSERT INTO t VALUES (1, 'x`,
      'dump.sql:10: expected a value that ends',
    ],
    [
      'too few values',
      `${POSTGRES}${TABLE}INSERT INTO t VALUES (1);`,
      'expected 2 columns of t, found 1 values',
    ],
    [
      'rows of a table that nothing describes',
      `${POSTGRES}INSERT INTO t VALUES (1);`,
      'expected CREATE TABLE t before its rows',
    ],
    [
      'a query for a value',
      `${POSTGRES}${TABLE}INSERT INTO t VALUES (1, now());`,
      'expected a value, found "now"',
    ],
    ['the other meaning of backslashes', 'SET standard_conforming_strings = off;', 'make the dump'],
    ['an archive', 'PGDMP\u0001\u000e', 'pg_restore -f dump.sql ARCHIVE'],
    ['an archive in tar', 'toc.dat\0\0\0', 'pg_restore -f dump.sql ARCHIVE'],
    ['no dump', 'hello world', 'expected a plain SQL dump'],
    ['nothing', '', 'found an empty file'],
    ['a command for psql', `${POSTGRES}\\! rm -rf /\n`, 'dump.sql:6: expected SQL'],
  ])('is refused for %s', async (_what, text, message) => {
    await expect(read(text)).rejects.toMatchObject({
      code: 'IMPORT_UNREADABLE',
      message: expect.stringContaining(message) as string,
    });
  });
});

describe('a dump of mysqldump', () => {
  it('is read with escaped bytes, hexadecimal ones and marked ones, in rows of one statement', async () => {
    const rows = await read(
      `${MYSQL}${MYSQL_TABLE}LOCK TABLES \`t\` WRITE;\nINSERT INTO \`t\` VALUES (1,'{\\"a\\":\\0\\n\\r\\Z\\\\\\'\\%}'),(2,0x7B7D),\n(3,_binary 'é''x');\nUNLOCK TABLES;\n${MYSQL_END}`,
    );
    expect(columns(rows)).toEqual([
      { id: '1', data: '{"a":\0\n\r\u001a\\\'%}' },
      { id: '2', data: '{}' },
      { id: '3', data: "é'x" },
    ]);
  });

  it.each([
    [
      'an encoding whose characters hide backslashes',
      MYSQL.replace('utf8', 'gbk'),
      'expected a dump in utf8',
    ],
    ['triggers', `${MYSQL}DELIMITER ;;\n`, 'dump them without triggers'],
    ['a file that ends early', `${MYSQL}${MYSQL_TABLE}`, 'cut off'],
    ['half a byte', `${MYSQL}${MYSQL_TABLE}INSERT INTO t VALUES (1,0x7)`, 'hexadecimal digits'],
    ['no backslashes', `${MYSQL}SET sql_mode='NO_BACKSLASH_ESCAPES';`, 'NO_BACKSLASH_ESCAPES'],
  ])('is refused for %s', async (_what, text, message) => {
    await expect(read(text)).rejects.toMatchObject({
      code: 'IMPORT_UNREADABLE',
      message: expect.stringContaining(message) as string,
    });
  });
});

describe('any bytes', () => {
  const bytes = fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array));
  const size = fc.integer({ min: 1, max: 40 });

  it('come back from each spelling that the two programs write, wherever the file is divided', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(bytes, { minLength: 1, maxLength: 4 }), size, async (all, step) => {
        const hex = (one: Buffer): string => one.toString('hex');
        const escapes: Record<string, string> = {
          '\0': '\\0',
          '\n': '\\n',
          '\r': '\\r',
          '\u001a': '\\Z',
          '\\': '\\\\',
          "'": "\\'",
          '"': '\\"',
        };
        const mysql = (one: Buffer): string =>
          // oxlint-disable-next-line no-control-regex -- the characters that mysqldump escapes
          one.toString('latin1').replace(/[\0\n\r\u001a\\'"]/g, (char) => escapes[char] ?? char);
        const octal = (one: Buffer): string =>
          [...one]
            .map((byte) =>
              byte === 0x5c
                ? '\\\\'
                : byte < 32 || byte > 126
                  ? `\\${byte.toString(8).padStart(3, '0')}`
                  : String.fromCharCode(byte).replace("'", "''"),
            )
            .join('');
        const values = (spell: (one: Buffer) => string): string =>
          `INSERT INTO t VALUES ${all.map((one, i) => `(${i},${spell(one)})`).join(',')};\n`;
        const copied = all.map((one, i) => `${i}\t\\\\x${hex(one)}\n`).join('');
        const dumps = [
          `${POSTGRES}${TABLE}${values((one) => `'\\x${hex(one)}'`)}${POSTGRES_END}`,
          `${POSTGRES}${TABLE}${values((one) => `'${octal(one)}'`)}${POSTGRES_END}`,
          `${POSTGRES}COPY t (id, data) FROM stdin;\n${copied}\\.\n${POSTGRES_END}`,
          `${MYSQL}${MYSQL_TABLE}${values((one) => `'${mysql(one)}'`)}${MYSQL_END}`,
          `${MYSQL}${MYSQL_TABLE}${values((one) => (one.length === 0 ? "''" : `0x${hex(one)}`))}${MYSQL_END}`,
        ];
        for (const dump of dumps) {
          const rows = await read(dump, step);
          const found = rows.map((row) => binaryValue(row.columns.get('data') ?? '', row.dialect));
          expect(found).toEqual(all);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('instead of a dump are refused or have no rows, and never end in another error', async () => {
    const marks = [
      "'",
      '"',
      '`',
      '\\',
      '\n',
      '\\.',
      '$$',
      '/*',
      '*/',
      '--',
      '#',
      '(',
      ')',
      ',',
      ';',
    ];
    const words = ['INSERT INTO t', 'VALUES', 'COPY t (id)', 'FROM stdin;', '0x', 'NULL'];
    const fragments = fc.constantFrom(...marks, ...words, TABLE, MYSQL_TABLE);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(POSTGRES, MYSQL),
        fc.array(fc.oneof(fragments, fc.string()), { maxLength: 30 }),
        async (head, parts) => {
          const outcome = await read(head + parts.join(' ')).then(
            () => 'read',
            (error: unknown) => (error as { code: string }).code,
          );
          expect(['read', 'IMPORT_UNREADABLE']).toContain(outcome);
        },
      ),
      { numRuns: 300 },
    );
  });
});
