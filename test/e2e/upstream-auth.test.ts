import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import type { Service, Site } from '../support/countersign.ts';
import { createSite, startService } from '../support/countersign.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { DockerRegistry } from '../support/docker-registry.ts';
import { startDockerRegistry, writeHtpasswd } from '../support/docker-registry.ts';
import type { ClientSession } from '../support/gate-client.ts';
import { dockerClient } from '../support/gate-clients/docker.ts';
import { skopeoClient } from '../support/gate-clients/skopeo.ts';
import { oneSigner } from '../support/one-signer.ts';
import type { Scope } from '../support/scope.ts';
import { suiteScope } from '../support/scope.ts';
import type { TokenServer } from '../support/token-server.ts';
import { startTokenServer } from '../support/token-server.ts';

const USERS = { ci: 'ci password', gate: 'gate password' };

const POLICY = oneSigner({ push: 'allow' });

/** How the registry behind the gate is logged in to, and by whom. */
interface Login {
  readonly name: string;
  readonly tokens: boolean;
  /** Lines of the registry's configuration. */
  readonly members: (tokens: TokenServer | null) => readonly string[];
  /** True where the gate has identities of its own. */
  readonly identities: boolean;
}

const LOGINS: readonly Login[] = [
  { name: 'htpasswd, passed on', tokens: false, members: () => [], identities: false },
  {
    name: 'htpasswd, the gate’s own',
    tokens: false,
    members: () => ['credentials: { username: gate, passwordFile: secret }'],
    identities: true,
  },
  { name: 'tokens, realm left alone', tokens: true, members: () => [], identities: false },
  {
    name: 'tokens, by way of the gate',
    tokens: true,
    members: (tokens) => [`realm: ${tokens?.realm}`],
    identities: false,
  },
  {
    name: 'tokens, the gate’s own',
    tokens: true,
    members: (tokens) => [
      `realm: ${tokens?.realm}`,
      'credentials: { username: gate, passwordFile: secret }',
    ],
    identities: true,
  },
];

async function start(
  scope: Scope,
  login: Login,
): Promise<{
  readonly site: Site;
  readonly gate: Service;
  readonly tokens: TokenServer | null;
  readonly registry: DockerRegistry;
}> {
  const tokens = login.tokens ? scope.own(await startTokenServer({ users: USERS })) : null;
  const registry = scope.own(
    await startDockerRegistry(
      join(scope.folder(), 'registry'),
      tokens === null ? { users: USERS } : { tokens },
    ),
  );
  const site = createSite(join(scope.folder(), 'site'));
  await site.key('release-bot');
  site.policy(POLICY);
  const secret = join(site.folder, 'secret');
  writeFileSync(secret, USERS.gate);
  chmodSync(secret, 0o600);
  const htpasswd = await writeHtpasswd(site.folder, USERS);
  const config = (host: string): string => `registries:
  - host: ${host}
    upstream: ${registry.url}
    ${login.members(tokens).join('\n    ')}
${
  login.identities
    ? `identities: { htpasswd: ${htpasswd} }
access:
  - { repositories: ["${host}/**"], pull: [ci], push: [ci], admin: [ci] }`
    : ''
}
`;
  const gate = scope.own(await startService(site, { config }));
  site.login(gate.host, 'ci', USERS.ci);
  return { site, gate, tokens, registry };
}

for (const client of [dockerClient('docker'), skopeoClient('skopeo')]) {
  for (const login of LOGINS) {
    describeWithClients(
      `${client.name}, upstream with ${login.name}`,
      [...client.needs, 'docker-registry', 'htpasswd'],
      () => {
        const scope = suiteScope();
        let site: Site;
        let gate: Service;
        let tokens: TokenServer | null;
        let session: ClientSession;
        const at = (name: string): string => `${gate.host}/${name}`;

        beforeAll(async () => {
          ({ site, gate, tokens } = await start(scope, login));
          session = await client.start(scope);
        });

        it('is refused without a login, and with a wrong password', async () => {
          expect((await session.push(at('team/app:0'), 'nobody\n')).code).not.toBe(0);
          expect((await session.login(gate.host, 'ci', 'wrong')).code).not.toBe(0);
        });

        it('logs in, pushes, is refused what is unsigned, and pulls what is signed', async () => {
          const logged = await session.login(gate.host, 'ci', USERS.ci);
          expect(logged.output).toMatch(/Login Succeeded/);
          const pushed = await session.push(at('team/app:1'), `by ${login.name}\n`);
          expect(pushed).toMatchObject({ code: 0, digest: expect.any(String) as unknown });
          const unsigned = await session.pull(at('team/app:1'));
          expect(unsigned.output).toMatch(/not signed|denied/);
          const host = tokens === null ? [] : ['--auth-host', new URL(tokens.realm).host];
          const signed = await site.cli([
            'sign',
            at('team/app:1'),
            '--key',
            'release-bot',
            ...host,
          ]);
          expect(signed).toMatchObject({ code: 0 });
          const pulled = await session.pull(at('team/app:1'));
          expect(pulled).toMatchObject({ code: 0, digest: pushed.digest });
        });

        it('keeps passwords where they belong', () => {
          const passwords = Object.values(USERS);
          for (const password of passwords) expect(gate.logs()).not.toContain(password);
          const who = new Set((tokens?.asked ?? []).map((one) => one.who));
          if (login.identities) expect(who).not.toContain('ci');
          else expect(who).not.toContain('gate');
        });
      },
    );
  }
}
