import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Site } from '../../support/countersign.ts';
import { createSite } from '../../support/countersign.ts';
import { suiteScope } from '../../support/scope.ts';
import { makePublisher } from '../../support/trust-publisher.ts';
import type { TrustServer } from '../../support/trust-server.ts';
import { startTrustServer } from '../../support/trust-server.ts';
import type { TrustWire } from '../../support/trust-wire.ts';
import { startTrustWire } from '../../support/trust-wire.ts';
import { makeHand } from '../../support/tuf.ts';

const HOST = 'registry.example.com';
const GUN = `${HOST}/team/app`;

describe('commands before a trust server that lies', () => {
  const scope = suiteScope();
  let server: TrustServer;
  let wire: TrustWire;
  let site: Site;
  beforeAll(async () => {
    const folder = scope.folder();
    server = scope.own(
      await startTrustServer(join(folder, 'server'), 'countersign', { registry: HOST }),
    );
    wire = scope.own(await startTrustWire(server.authority, () => server.url));
    site = createSite(join(folder, 'site'));
    const tls = join(site.folder, 'docker-config', 'tls', wire.host);
    mkdirSync(tls, { recursive: true });
    writeFileSync(join(tls, 'ca.crt'), server.authority.ca);
    await site.key('alice', 'ecdsa-p256');
    const key = join(site.policies, 'keys', 'alice.pub');
    await run('signer', 'add', 'alice', '--key', key, GUN);
  });
  afterEach(() => wire.answerWith(null));

  const run = (...args: readonly string[]): ReturnType<Site['cli']> =>
    site.cli(args, { env: { DOCKER_CONTENT_TRUST_SERVER: wire.url } });

  it('T-72: a loopback trust server of a registry elsewhere is believed by its certificate alone', async () => {
    const stranger = createSite(join(scope.folder(), 'stranger'));
    const asked = wire.seen().length;
    const listed = await stranger.cli(['root', 'list', GUN], {
      env: { DOCKER_CONTENT_TRUST_SERVER: wire.url },
    });
    expect(listed).toMatchObject({ code: 3 });
    expect(listed.stdout).toContain('certificate that is not trusted');
    expect(wire.seen()).toHaveLength(asked);
  });

  it('T-23: inspect does not take for unsigned what it has seen signed, and is told to be gone', async () => {
    const there = await run('inspect', '--format', 'docker', GUN);
    expect(there.stdout).toContain('"Name": "alice"');
    wire.answerWith((path) => (path.endsWith('.json') ? { status: 404 } : undefined));
    const gone = await run('inspect', '--format', 'docker', GUN);
    expect(gone).toMatchObject({ code: 3, stdout: '' });
    expect(gone.stderr).toContain('this machine has seen some');
  });

  it('T-23: root list tells nobody to begin anew because the server shows a root that has ended', async () => {
    const now = new Date(Date.now() - 3651 * 86_400_000);
    const root = await makeHand('ecdsa-p256', { gun: GUN, now });
    const publisher = await makePublisher(server.http, GUN, {
      root,
      targets: await makeHand('ecdsa-p256'),
    });
    const body = await publisher.root();
    wire.answerWith((path) => (path.endsWith('/root.json') ? { body } : undefined));
    const listed = await run('root', 'list', GUN);
    expect(listed).toMatchObject({ code: 3 });
    expect(listed.stdout).toContain(`unknown  ${GUN}`);
    expect(listed.stdout).not.toContain('begin anew');
  });
});
