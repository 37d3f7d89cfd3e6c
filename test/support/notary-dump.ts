import { CompactEncrypt } from 'jose';
import { generateKey } from '../../src/keys/generate.ts';
import type { PrivateKey } from '../../src/keys/private-key.ts';
import { ed25519Seed } from '../../src/keys/private-key.ts';
import { fileSigner } from '../../src/keys/signers/file.ts';
import { sha256Hex } from '../../src/lib/bytes.ts';
import { tufKeyOf } from '../../src/tuf/public-key.ts';
import type { Hand } from './tuf.ts';

/** A row of `tuf_files`. */
export interface DumpedFile {
  readonly gun: string;
  readonly role: string;
  readonly version: number;
  readonly bytes: Uint8Array;
  /** What the column says; the right hash where nothing is said, `null` as the oldest databases have it. */
  readonly sha256?: string | null;
  readonly deleted?: boolean;
}

/** A row of `private_keys`. */
export interface DumpedKey {
  readonly gun: string;
  readonly role: string;
  readonly id: string;
  readonly algorithm: string;
  readonly publicKey: Buffer;
  readonly sealed: string;
  readonly alias: string;
}

/** A row of `changefeed`. */
export interface DumpedChange {
  readonly id: number;
  readonly gun: string;
  readonly version: number;
  readonly sha256: string;
  readonly category: 'update' | 'deletion';
}

/** What two databases hold. */
export interface Dumped {
  readonly files?: readonly DumpedFile[];
  readonly keys?: readonly DumpedKey[];
  readonly changes?: readonly DumpedChange[];
}

/** A key that a test has both halves of. */
export interface OwnHand extends Hand {
  readonly privateKey: PrivateKey;
}

/** Makes one. */
export async function makeOwnHand(type: 'ecdsa-p256' | 'ed25519' = 'ecdsa-p256'): Promise<OwnHand> {
  const privateKey = await generateKey(type);
  const key = tufKeyOf(privateKey.publicKey);
  return { keyid: key.id, signer: fileSigner(privateKey), key, privateKey };
}

/** Seals a key as notary-signer does (dct-protocol 6.3). */
export async function dumpedKey(
  gun: string,
  role: string,
  hand: OwnHand,
  sealing: { readonly alias: string; readonly passphrase: string },
): Promise<DumpedKey> {
  const { key, privateKey } = hand;
  const publicKey = Buffer.from(key.public, 'base64');
  const seed = key.keytype === 'ed25519' ? ed25519Seed(privateKey) : null;
  const plain =
    seed === null
      ? privateKey.key.export({ format: 'der', type: 'sec1' })
      : Buffer.concat([publicKey, seed, publicKey]);
  const sealed = await new CompactEncrypt(plain)
    .setProtectedHeader({ alg: 'PBES2-HS256+A128KW', enc: 'A256GCM' })
    .setKeyManagementParameters({ p2c: 8192 })
    .encrypt(Buffer.from(sealing.passphrase));
  const { alias } = sealing;
  return { gun, role, id: key.id, algorithm: key.keytype, publicKey, sealed, alias };
}

const TIME = '2026-11-20 10:00:00';
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

type Cell = string | number | Uint8Array | null;

function rowsOf({ files = [], keys = [], changes = [] }: Dumped): Record<string, Cell[][]> {
  return {
    tuf_files: files.map(({ gun, role, version, bytes, sha256, deleted }, at) => {
      const hash = sha256 === undefined ? sha256Hex(bytes) : sha256;
      const gone = deleted === true ? TIME : null;
      return [at + 1, TIME, TIME, gone, gun, role, version, bytes, hash];
    }),
    private_keys: keys.map(({ gun, role, id, algorithm, publicKey, sealed, alias }, at) => {
      const kind = ['A256GCM', 'PBES2-HS256+A128KW', algorithm, alias];
      return [
        at + 1,
        TIME,
        TIME,
        null,
        id,
        ...kind,
        publicKey,
        Buffer.from(sealed),
        gun,
        role,
        TIME,
      ];
    }),
    changefeed: changes.map(({ id, gun, version, sha256, category }) => {
      return [id, TIME, gun, version, sha256, category];
    }),
  };
}

const COLUMNS: Readonly<Record<string, string>> = {
  tuf_files: 'id, created_at, updated_at, deleted_at, gun, role, version, data, sha256',
  private_keys:
    'id, created_at, updated_at, deleted_at, key_id, encryption_alg, keywrap_alg, algorithm, passphrase_alias, public, private, gun, role, last_used',
  changefeed: 'id, created_at, gun, version, sha256, category',
};

/** As pg_dump writes them. */
export function postgresDump(dumped: Dumped): string {
  const cell = (value: Cell): string => {
    if (value === null) return '\\N';
    return value instanceof Uint8Array ? `\\\\x${hex(value)}` : `${value}`;
  };
  const tables = Object.entries(rowsOf(dumped)).map(([table, rows]) =>
    [
      `COPY public.${table} (${COLUMNS[table] ?? ''}) FROM stdin;`,
      ...rows.map((row) => row.map(cell).join('\t')),
      '\\.',
    ].join('\n'),
  );
  return [
    '-- PostgreSQL database dump',
    'SET standard_conforming_strings = on;',
    ...tables,
    '-- PostgreSQL database dump complete',
    '',
  ].join('\n');
}

/** As mysqldump writes them with `--hex-blob`, columns by CREATE TABLE. */
export function mysqlDump(dumped: Dumped): string {
  const cell = (value: Cell): string => {
    if (value === null) return 'NULL';
    if (value instanceof Uint8Array) return `0x${hex(value).toUpperCase()}`;
    return typeof value === 'number' ? `${value}` : `'${value}'`;
  };
  const tables = Object.entries(rowsOf(dumped)).map(([table, rows]) => {
    const columns = (COLUMNS[table] ?? '').split(', ').map((name) => `  \`${name}\` longblob,\n`);
    const values = rows.map((row) => `(${row.map(cell).join(',')})`).join(',');
    return `CREATE TABLE \`${table}\` (\n${columns.join('')}  PRIMARY KEY (\`id\`)\n);\n${
      values === '' ? '' : `INSERT INTO \`${table}\` VALUES ${values};`
    }`;
  });
  return [
    '-- MySQL dump 10.13  Distrib 5.7.44, for Linux (x86_64)',
    ...tables,
    '-- Dump completed on 2026-11-20 10:00:00',
    '',
  ].join('\n');
}
