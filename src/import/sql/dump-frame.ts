import { CountersignError } from '../../lib/errors.ts';
import { quote } from '../../lib/quote.ts';
import type { Place } from './byte-text.ts';
import type { Dialect } from './lexer.ts';
import { malformed } from './malformed.ts';

const COMPLETE = /database (?:cluster )?dump complete|^-- Dump completed/;

/** What a dump says of itself besides its rows: who wrote it, in which spelling, and whether it is whole. */
export class DumpFrame {
  readonly dialect: Dialect;
  /** Both programs write a last line, unless their comments are turned off. */
  readonly #announced: boolean;
  #complete = false;

  /** Reads the file's first bytes. Throws IMPORT_UNREADABLE where they are not those of a plain SQL dump. */
  constructor(file: string, head: string) {
    const refuse = (why: string): CountersignError =>
      new CountersignError('IMPORT_UNREADABLE', `${file}: ${why}`);
    if (head.startsWith('PGDMP') || head.startsWith('toc.dat\0')) {
      throw refuse(
        'expected plain SQL, found an archive of pg_dump; run pg_restore -f dump.sql ARCHIVE and import dump.sql',
      );
    }
    if (head === '') throw refuse('expected a dump, found an empty file');
    this.#announced = /^-- (?:PostgreSQL database|MySQL dump|MariaDB dump)/m.test(head);
    const dialect = dialectOf(head);
    if (dialect === undefined) {
      throw refuse('expected a plain SQL dump as pg_dump or mysqldump write it');
    }
    this.dialect = dialect;
  }

  /** Takes note of a comment; MySQL has settings in them. */
  comment(text: string): void {
    if (COMPLETE.test(text)) this.#complete = true;
    const charset = /^!\d* *SET NAMES +(\w+)/i.exec(text)?.[1];
    if (charset !== undefined) this.#charset(charset);
  }

  /** Takes note of a SET. Throws where it changes what the rows mean. */
  setting(at: Place, words: string): void {
    if (/^standard_conforming_strings .*off/.test(words)) {
      throw malformed(at, 'expected standard_conforming_strings = on; make the dump anew with it');
    }
    if (/no_backslash_escapes/.test(words)) {
      throw malformed(at, 'expected a dump without NO_BACKSLASH_ESCAPES');
    }
    const charset = /^names (\w+)/.exec(words)?.[1];
    if (charset !== undefined) this.#charset(charset);
  }

  /** Takes note of a command for psql itself. Throws for one that a dump of tables has not. */
  command(at: Place, line: string): void {
    if (/^\\(?:restrict|unrestrict|connect|c|encoding)\b/.test(line)) return;
    throw malformed(at, `expected SQL, found ${quote(line, 40)}`);
  }

  /** Throws where the dump does not end as it should: rows may be missing. */
  end(at: Place): void {
    if (!this.#announced || this.#complete) return;
    throw malformed(at, 'expected the line that ends a dump; the file is cut off');
  }

  // In encodings like these a byte of a longer character may be a backslash.
  #charset(name: string): void {
    if (!/^(?:gbk|gb2312|gb18030|big5|sjis|cp932)$/i.test(name)) return;
    throw new CountersignError(
      'IMPORT_UNREADABLE',
      `expected a dump in utf8, found ${name}; make it anew with --default-character-set=utf8`,
    );
  }
}

function dialectOf(head: string): Dialect | undefined {
  if (/^-- PostgreSQL database/m.test(head)) return 'postgres';
  if (/^-- (?:MySQL|MariaDB) dump/m.test(head)) return 'mysql';
  if (
    /(?:INSERT INTO|CREATE TABLE(?: IF NOT EXISTS)?|LOCK TABLES|DROP TABLE IF EXISTS) `/.test(head)
  ) {
    return 'mysql';
  }
  if (/^(?:SET standard_conforming_strings|COPY \S+ \(|INSERT INTO \S+\.)/m.test(head)) {
    return 'postgres';
  }
  return undefined;
}
