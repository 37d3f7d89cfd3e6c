import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import type { Service } from '../src/app.ts';
import { startService } from '../src/app.ts';
import type { Config } from '../src/config/config.ts';
import { loadConfig } from '../src/config/load.ts';
import { silentLogger } from '../src/lib/logger.ts';
import { unwrap } from '../src/lib/result.ts';
import type { Attacked } from './support/attacked.ts';
import { attackedGates } from './support/attacked.ts';
import { freePort } from './support/child.ts';
import { call } from './support/http-call.ts';
import { buildImage, pushImage } from './support/image.ts';
import { testSigner } from './support/signer.ts';
import { suiteScope } from './support/scope.ts';
import { eventWrite, openAt } from './support/store.ts';
import { tarLayer } from './support/tar.ts';

const image = (content: string) => buildImage({ layers: [tarLayer({ content })] });
const start = (config: Config): Promise<Service> =>
  startService(config, { log: silentLogger, version: '0.0.0' });

describe('starting and stopping', () => {
  const scope = suiteScope();
  const running: Service[] = [];
  afterEach(async () => {
    for (const one of running.splice(0)) await one.close();
  });

  /** A configuration in a folder of its own. */
  async function configured(port?: number): Promise<Config> {
    const folder = mkdtempSync(join(scope.folder(), 'app-'));
    mkdirSync(join(folder, 'policies'));
    writeFileSync(join(folder, 'policies/bot.pub'), testSigner().publicPem);
    writeFileSync(
      join(folder, 'policies/policy.yaml'),
      `version: 1
authorities: [{ name: bot, keys: [bot.pub] }]
policies:
  - { name: all, images: ["\${registry}/**"], mode: enforce, tags: registry, require: [{ signatures: { by: [bot], formats: [cosign] } }] }
`,
    );
    const flags = { listen: `127.0.0.1:${port ?? (await freePort())}`, http: port !== 0 };
    return unwrap(await loadConfig({ flags, env: {}, cwd: folder }));
  }

  const handles = (): string[] =>
    process
      .getActiveResourcesInfo()
      .filter((kind) => /Server|Socket|TCP|Pipe|FSEvent|Worker|MessagePort|StatWatcher/.test(kind))
      .toSorted();

  it('leaves no server, socket, watcher or thread behind, however often', async () => {
    await (await start(await configured())).close();
    await sleep(100);
    const before = handles();
    for (let n = 0; n < 3; n++) {
      const service = await start(await configured(n === 1 ? 0 : undefined));
      const [url = ''] = service.urls;
      if (n !== 1) expect((await call(url, 'GET', '/readyz')).status).toBe(200);
      await service.close();
    }
    await expect.poll(handles).toEqual(before);
  });

  it('where the port is taken is refused with what to do, and leaves nothing behind', async () => {
    const port = await freePort();
    const other = createServer().listen(port, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const config = await configured(port);
    await expect(start(config)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(`127.0.0.1:${port}`) as string,
    });
    await new Promise((resolve) => other.close(resolve));
    // The data folder is free, and so is the port.
    const service = await start(config);
    running.push(service);
    expect((await call(service.urls[0] ?? '', 'GET', '/readyz')).status).toBe(200);
  });

  it('over a data folder that another service uses is refused, and harms neither', async () => {
    const config = await configured();
    const first = await start(config);
    running.push(first);
    const second = { ...(await configured()), data: config.data, notary: config.notary };
    await expect(start(second)).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('in use') as string,
    });
    expect((await call(first.urls[0] ?? '', 'GET', '/readyz')).status).toBe(200);
    await first.close();
    const again = await start(second);
    running.push(again);
  });

  it('without the master key that the trust server’s keys are sealed under is refused, and makes no other', async () => {
    const config = await configured();
    const first = await start(config);
    running.push(first);
    const key = `/v2/${first.hosts[0]}/team/app/_trust/tuf/timestamp.key`;
    const { host } = new URL(first.urls[0] ?? '');
    expect((await call(`http://${host}`, 'GET', key)).status).toBe(200);
    await first.close();
    const file = join(config.data, 'master.key');
    const kept = readFileSync(file);
    rmSync(file);
    await expect(start(config)).rejects.toMatchObject({ code: 'MASTER_KEY_INVALID' });
    expect(existsSync(file)).toBe(false);
    const other = randomBytes(32).toString('base64');
    const wrong = await start({
      ...config,
      notary: { ...config.notary, masterKey: { text: other } },
    });
    running.push(wrong);
    const health = await call(wrong.urls[0] ?? '', 'GET', '/_notary_server/health');
    expect([health.status, health.text]).toEqual([503, expect.stringContaining('master key')]);
    expect(health.text).not.toContain(other);
    await wrong.close();
    writeFileSync(file, kept, { mode: 0o600 });
    const again = await start(config);
    running.push(again);
    expect((await call(again.urls[0] ?? '', 'GET', '/_notary_server/health')).status).toBe(200);
  });

  it('over a database that was restored from an old copy is refused with the command that mends it', async () => {
    const config = await configured();
    await (await start(config)).close();
    const database = join(config.data, 'countersign.db');
    const copy = readFileSync(database);
    const store = await openAt(config.data);
    await store.commit([
      { kind: 'revoke', revocation: { kind: 'key', keyId: 'k', reason: 'stolen' }, by: 'alice' },
      eventWrite(),
    ]);
    await store.close();
    writeFileSync(database, copy);
    await expect(start(config)).rejects.toMatchObject({
      code: 'STORE_ROLLED_BACK',
      message: expect.stringContaining(`countersign recover --data ${config.data}`) as string,
    });
    // Refused again: the refusal itself heals nothing.
    await expect(start(config)).rejects.toMatchObject({ code: 'STORE_ROLLED_BACK' });
  });

  it('with a broken policy is refused at the start, and said on /readyz for a later edit', async () => {
    const config = await configured();
    const file = join(config.policies, 'policy.yaml');
    const good = readFileSync(file, 'utf8');
    writeFileSync(file, `${good}nonsense: [`);
    await expect(start(config)).rejects.toMatchObject({ code: 'POLICY_INVALID' });
    writeFileSync(file, good);
    const service = await start(config);
    running.push(service);
    const [url = ''] = service.urls;
    const ready = async (): Promise<{
      status: string;
      policies: { revision: string; problem: string | null };
    }> => JSON.parse((await call(url, 'GET', '/readyz')).text) as never;
    const before = await ready();
    expect(before).toMatchObject({ status: 'ready', policies: { problem: null } });
    writeFileSync(file, good.replace('mode: enforce', 'mode: enforc'));
    await expect.poll(ready, { timeout: 10_000 }).toMatchObject({
      status: 'ready',
      policies: {
        revision: before.policies.revision,
        problem: expect.stringContaining('enforc') as string,
      },
    });
    expect((await call(url, 'GET', '/metrics')).text).toContain(
      'countersign_reload_ok{what="policies"} 0',
    );
    writeFileSync(file, good);
    await expect.poll(ready, { timeout: 10_000 }).toMatchObject({ policies: { problem: null } });
  });

  it('copies of the data folder start: nothing of it is kept elsewhere', async () => {
    const config = await configured();
    await (await start(config)).close();
    const data = join(scope.folder(), 'moved');
    cpSync(config.data, data, { recursive: true });
    rmSync(config.data, { recursive: true });
    const masterKey = { file: join(data, 'master.key'), make: true };
    running.push(await start({ ...config, data, notary: { ...config.notary, masterKey } }));
    expect(existsSync(config.data)).toBe(false);
  });
});

describe('T-56: a store that cannot write', () => {
  const attacked = attackedGates();
  const mount = mkdtempSync(join(tmpdir(), 'countersign-full-'));
  const mounted =
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', mount], { stdio: 'ignore' })
      .status === 0;
  afterEach(() => vi.unstubAllEnvs());
  afterAll(() => {
    if (mounted) spawnSync('umount', [mount]);
    rmSync(mount, { recursive: true, force: true });
  });

  /** What holds while nothing can be recorded. */
  async function refuses(gate: Attacked, known: string, fresh: string): Promise<void> {
    const get = async (reference: string): Promise<number> =>
      (await gate.call('GET', `/v2/team/app/manifests/${reference}`)).status;
    const { status: unsigned, code } = await gate.call('GET', '/v2/team/app/manifests/unsigned');
    expect([unsigned, code]).toEqual([403, 'DENIED']);
    // Recorded before, so only counted now.
    expect(await get(known)).toBe(200);
    for (let n = 0; n < 3; n++) expect([503, 507]).toContain(await get(fresh));
    const push = await gate.call('PUT', '/v2/team/app/manifests/new', {
      headers: { 'content-type': image('held\n').mediaType },
      body: image('held\n').manifest,
    });
    expect(push.status).toBeGreaterThanOrEqual(400);
    const revoke = await gate.call('POST', '/api/v1/revocations', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ image: `${gate.host}/team/app:1` }),
    });
    expect([503, 507]).toContain(revoke.status);
    expect((await gate.call('GET', '/healthz')).status).toBe(200);
  }

  async function stocked(): Promise<{ gate: Attacked; known: string; fresh: string }> {
    const gate = await attacked({ policy: 'push: allow' });
    const [known, fresh] = [image('known\n'), image('fresh\n')];
    for (const one of [known, fresh]) {
      await pushImage(gate.url, 'team/app', one);
      await gate.sign('team/app', one.digest);
    }
    await pushImage(gate.url, 'team/app', image('unsigned\n'), 'unsigned');
    const first = await gate.call('GET', `/v2/team/app/manifests/${known.digest}`);
    expect(first.status).toBe(200);
    return { gate, known: known.digest, fresh: fresh.digest };
  }

  it('for want of its thread gives no new allow, keeps its refusals, and is not ready', async () => {
    const workers: Worker[] = [];
    const seen = (worker: Worker): void => void workers.push(worker);
    process.on('worker', seen);
    const { gate, known, fresh } = await stocked();
    process.removeListener('worker', seen);
    for (const worker of workers) await worker.terminate();
    await refuses(gate, known, fresh);
    const ready = await gate.call('GET', '/readyz');
    expect(ready.status).toBe(503);
    await gate.restart();
    expect((await gate.call('GET', `/v2/team/app/manifests/${fresh}`)).status).toBe(200);
  });

  it.skipIf(!mounted)(
    'for want of space (needs the right to mount one) gives no new allow, and goes on when there is room',
    async () => {
      vi.stubEnv('TMPDIR', mount);
      const { gate, known, fresh } = await stocked();
      const ballast = join(mount, 'ballast');
      spawnSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=4096'], { stdio: 'ignore' });
      // What the database still has room for in its own files is used up first.
      for (let n = 0; n < 3000; n++) {
        const answer = await gate.call('POST', '/api/v1/revocations', {
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ image: `${gate.host}/team/app:t${n}`, reason: 'x'.repeat(200) }),
        });
        if (answer.status !== 200) break;
      }
      await refuses(gate, known, fresh);
      rmSync(ballast);
      await expect
        .poll(async () => (await gate.call('GET', `/v2/team/app/manifests/${fresh}`)).status)
        .toBe(200);
    },
  );
});
