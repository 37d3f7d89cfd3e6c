import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import type { Site } from '../support/countersign.ts';
import { createSite } from '../support/countersign.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import { SERVER_POSTGRES, SIGNER_POSTGRES } from '../support/notary-schema.ts';
import type { Postgres } from '../support/postgres.ts';
import { startPostgres } from '../support/postgres.ts';
import { suiteScope } from '../support/scope.ts';

const SECRET = String.raw`pass%41:\ word@/?#`;
const OTHER = 'another secret';

describeWithClients(
  'the passwords of the databases of a notary-server',
  ['postgres', 'initdb', 'psql'],
  () => {
    const scope = suiteScope();
    let postgres: Postgres;
    let site: Site;

    beforeAll(async () => {
      postgres = scope.own(await startPostgres());
      const literal = SECRET.replaceAll("'", "''");
      await postgres.sql(
        'postgres',
        `CREATE ROLE server LOGIN PASSWORD '${literal}';\nCREATE ROLE signer LOGIN PASSWORD '${OTHER}';
         CREATE DATABASE server OWNER server;\n`,
      );
      await postgres.sql('postgres', 'CREATE DATABASE signer OWNER signer;');
      for (const [name, schema] of [
        ['server', SERVER_POSTGRES],
        ['signer', SIGNER_POSTGRES],
      ] as const) {
        await postgres.sql(name, `SET ROLE ${name};${schema}`);
      }
      const rules = [
        'host all postgres 127.0.0.1/32 trust',
        'host all all 127.0.0.1/32 scram-sha-256',
      ];
      const file = (await postgres.sql('postgres', 'SHOW hba_file;')).trim();
      const lines = rules.map((rule) => `('${rule}')`).join(', ');
      await postgres.sql(
        'postgres',
        `COPY (VALUES ${lines}) TO '${file}'; SELECT pg_reload_conf();`,
      );
      site = createSite(join(scope.folder(), 'site'));
      writeFileSync(
        join(site.folder, 'countersign.yaml'),
        'registries: [{ host: registry.example.com, upstream: embedded }]\n',
      );
    });

    const as = (name: string, password = ''): string =>
      postgres.url(name).replace('postgres@', `${name}${password}@`);
    const run = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
      const ran = await site.cli(['import', 'notary', ...args], {
        env: { HOME: site.folder, ...env },
      });
      expect(ran.output).not.toContain(SECRET);
      expect(ran.output).not.toContain(encodeURIComponent(SECRET));
      expect(ran.output).not.toContain(OTHER);
      return ran;
    };
    const write = (name: string, text: string, mode = 0o600): string => {
      const file = join(site.folder, name);
      writeFileSync(file, text, { mode });
      return file;
    };
    const both = (): readonly string[] => [
      '--server-db',
      as('server'),
      '--signer-db',
      as('signer'),
    ];

    it('come from files', async () => {
      const server = ['--server-db-password-file', write('server', `${SECRET}\nremarks\n`)];
      const signer = ['--signer-db-password-file', write('signer', OTHER)];
      const ran = await run([...both(), ...server, ...signer]);
      expect(ran.output).not.toContain('warning');
      expect(ran.stdout).toContain('nothing to do');
      expect(ran.code).toBe(0);
    });

    it('come from files for an address without a host, as of a socket', async () => {
      const { hostname, port, pathname } = new URL(postgres.url('server'));
      const address = `postgres://${pathname}?host=${hostname}&port=${port}&user=server`;
      const password = ['--server-db-password-file', write('server', SECRET)];
      expect((await run(['--server-db', address, ...password])).code).toBe(0);
    });

    it('come from PGPASSFILE, or .pgpass at home, a line for each', async () => {
      const escaped = SECRET.replaceAll(/[\\:]/g, String.raw`\$&`);
      const lines = `*:*:server:server:${escaped}\n127.0.0.1:*:*:signer:${OTHER}\n`;
      const file = write('passwords', lines);
      expect((await run(both(), { PGPASSFILE: file })).code).toBe(0);
      write('.pgpass', lines);
      expect((await run(both())).code).toBe(0);
      const open = write('open', lines, 0o644);
      const refused = await run(both(), { PGPASSFILE: open });
      expect(refused.code).toBe(3);
      expect(refused.stderr).toContain('open is passed over, as others may read it; chmod 600 it');
    });

    it('come from PGPASSWORD, before any file', async () => {
      write('.pgpass', '*:*:*:*:wrong\n');
      const ran = await run(['--server-db', as('server')], { PGPASSWORD: SECRET });
      expect(ran.code).toBe(0);
    });

    it('in the address are taken, with a warning that does not show them', async () => {
      const address = as('server', `:${encodeURIComponent(SECRET)}`);
      const ran = await run(['--server-db', address]);
      expect(ran.code).toBe(0);
      expect(ran.stderr).toContain('can read the password in --server-db; leave it out');
    });

    it('are not shown where they are wrong', async () => {
      const ran = await run(['--server-db', as('signer', `:${encodeURIComponent(SECRET)}`)]);
      expect(ran.code).toBe(3);
      expect(ran.stderr).toContain('password authentication failed');
    });
  },
);
