import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Site } from '../../support/countersign.ts';
import { createSite } from '../../support/countersign.ts';
import type { ImportWorld } from '../../support/import-world.ts';
import { makeImportWorld, SEALING } from '../../support/import-world.ts';
import { postgresDump } from '../../support/notary-dump.ts';
import { suiteScope } from '../../support/scope.ts';
import { GUN } from '../../support/tuf.ts';

const VARIABLE = 'NOTARY_SIGNER_TIMESTAMP_1';

describe('countersign import notary', () => {
  const scope = suiteScope();
  let world: ImportWorld;
  let dump: string;
  let sites = 0;

  beforeAll(async () => {
    world = await makeImportWorld();
    dump = join(scope.folder(), 'notary.sql');
    writeFileSync(dump, postgresDump(world.dumped));
  });

  /** A site whose service would answer for the repository's host. */
  const site = (host = 'registry.example.com'): Site => {
    const made = createSite(join(scope.folder(), `site-${(sites += 1)}`));
    const config = `registries: [{ host: ${host}, upstream: embedded }]\n`;
    writeFileSync(join(made.folder, 'countersign.yaml'), config);
    return made;
  };
  const env = { [VARIABLE]: SEALING.passphrase };
  const importing = ['import', 'notary', '--dump'];

  it('imports into the data folder of the configuration, makes the master key, and says what it did', async () => {
    const here = site();
    const ran = await here.cli([...importing, dump], { env });
    expect(ran.stderr).toContain(`1/1 ${GUN}: imported`);
    expect(ran.stdout).toBe(
      `${GUN}: imported, 6 files, 2 signed tags, root certificate ends 2036-11-19\n\n1 repository: 1 imported\n`,
    );
    expect(ran.code).toBe(0);
    expect(existsSync(join(here.folder, 'countersign-data', 'master.key'))).toBe(true);
    const again = await here.cli([...importing, dump, '--output', 'json']);
    expect(again.code).toBe(0);
    expect(JSON.parse(again.stdout)).toMatchObject({
      source: dump,
      dryRun: false,
      repositories: [{ gun: GUN, outcome: 'unchanged', keys: { timestamp: 'here' } }],
      rotate: [],
    });
  });

  it('takes passphrases from files, which win over variables, and never shows one', async () => {
    const here = site();
    const file = join(here.folder, 'passphrase');
    writeFileSync(file, `${SEALING.passphrase}\nanother line\n`);
    const wrong = { [VARIABLE]: 'a wrong passphrase' };
    const refused = await here.cli([...importing, dump], { env: wrong });
    expect(refused.code).toBe(1);
    expect(refused.output).toContain('the passphrase of alias "timestamp_1" does not open');
    expect(refused.output).not.toContain('a wrong passphrase');
    const ran = await here.cli([...importing, dump, '--passphrase-file', `timestamp_1=${file}`], {
      env: wrong,
    });
    expect(ran.code).toBe(0);
    expect(ran.output).not.toContain(SEALING.passphrase);
  });

  it('leaves no trace of a dry run, not even a folder', async () => {
    const here = site();
    const before = readdirSync(here.folder).toSorted();
    const ran = await here.cli([...importing, dump, '--dry-run'], { env });
    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain(`${GUN}: would be imported, 6 files`);
    expect(ran.stdout).toContain('(dry run: nothing was written)');
    expect(readdirSync(here.folder).toSorted()).toEqual(before);
  });

  it('ends with 1 where something was not taken over, and says what to configure', async () => {
    const ran = await site('other.example.com').cli([...importing, dump], { env });
    expect(ran.code).toBe(1);
    expect(ran.stdout).toContain('add "- host: registry.example.com" to registries');
    expect(ran.stdout).toContain('1 repository: 1 skipped');
  });

  it('without keys says from when on clients refuse, and how the owner goes on', async () => {
    const file = join(scope.folder(), 'server-only.sql');
    writeFileSync(
      file,
      postgresDump({ ...world.dumped, keys: [] }).replace(
        /COPY public.private_keys[^]*?\\\.\n/,
        '',
      ),
    );
    const ran = await site().cli([...importing, file], { env });
    expect(ran.code).toBe(0);
    expect(ran.stderr).toContain("without the signer's database no keys come along");
    expect(ran.stdout).toContain('read-only, and refused by clients from 2026-12-06 on');
    expect(ran.stdout).toContain('countersign root rotate --server-keys REPOSITORY');
  });

  it.each([
    ['no source', [], 2, 'expected one source'],
    [
      'two sources',
      ['--dump', 'x', '--from', 'https://notary.example.com'],
      2,
      'expected one source',
    ],
    ['a signer alone', ['--signer-db', 'postgres://db/signer'], 2, 'expected one source'],
    [
      'another database',
      ['--server-db', 'mysql://root:secret@db/x'],
      2,
      'expected a database as postgres://',
    ],
    [
      'a server without TLS',
      ['--from', 'http://127.0.0.1:4443', GUN],
      2,
      'valid https URL required for trust server, got "http://127.0.0.1:4443" (--from; without TLS',
    ],
    ['a server without scheme', ['--from', 'notary.example.com:4443', GUN], 2, '(--from; without'],
    [
      'a server that is down',
      ['--from', 'https://127.0.0.1:1', GUN],
      3,
      'refused the connection: is the service running there?',
    ],
    ['a passphrase without alias', ['--dump', 'x', '--passphrase-file', 'secret'], 2, 'ALIAS=FILE'],
    [
      'a passphrase instead of its file',
      ['--dump', 'x', '--passphrase-file', 'timestamp_1=secret'],
      2,
      'expected a file that can be read for alias "timestamp_1"',
    ],
    [
      'a database that does not answer, whose password is in the address',
      ['--server-db', 'postgres://server:secret@127.0.0.1:1/x'],
      3,
      "whoever lists this machine's processes can read the password in --server-db;",
    ],
    [
      'a password file that is not there',
      ['--server-db', 'postgres://server@127.0.0.1:1/x', '--server-db-password-file', 'none'],
      2,
      'there is no such file',
    ],
    ['a dump that is not there', ['--dump', 'none.sql'], 3, 'there is no such file'],
    ['a folder for a dump', ['--dump', '.'], 3, 'it is a folder'],
  ])('is refused for %s', async (_what, args, code, message) => {
    const ran = await site().cli(['import', 'notary', ...args]);
    expect(ran.code).toBe(code);
    expect(ran.stderr).toContain(message);
    expect(ran.output).not.toContain('secret');
  });

  it('reads nothing where a dump is damaged: file, line and 3', async () => {
    const file = join(scope.folder(), 'damaged.sql');
    writeFileSync(
      file,
      postgresDump(world.dumped).replace('\n-- PostgreSQL database dump complete', ''),
    );
    const here = site();
    const ran = await here.cli([...importing, file], { env });
    expect(ran.code).toBe(3);
    expect(ran.stderr).toMatch(/damaged\.sql:\d+: expected the line that ends a dump/);
    const after = await here.cli([...importing, dump], { env });
    expect(after.stdout).toContain(`${GUN}: imported`);
  });
});
