import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Repository } from '../../../src/oci/reference.ts';
import type { TrustServer } from '../../../src/trust/dct/client.ts';
import { openTrustServer } from '../../../src/trust/dct/client.ts';
import type { TrustLoad, TrustReader } from '../../../src/trust/dct/load.ts';
import { loadTrust } from '../../../src/trust/dct/load.ts';
import { trustServerAddress } from '../../../src/trust/dct/server-address.ts';
import { trustCache } from '../../../src/trust/dct/trust-cache.ts';
import { sha256Hex } from '../../../src/lib/bytes.ts';
import { buildRoot } from '../../../src/tuf/build-files.ts';
import { lifetime } from '../../../src/tuf/lifetime.ts';
import { lookUpTag } from '../../../src/tuf/lookup.ts';
import { isRoleName } from '../../../src/tuf/role-name.ts';
import { suiteScope } from '../../support/scope.ts';
import type { MadeRepository } from '../../support/tuf.ts';
import { GUN, makeHand, makeRepository, NOW, replaced, resign, roleOf } from '../../support/tuf.ts';
import { answerError, startWireServer } from '../../support/wire-server.ts';

const gun = GUN as Repository;

/** A server of files that a test changes, as a Notary server answers. */
interface Files {
  readonly reader: (machine: string, now?: Date) => TrustReader;
  /** What is asked for by any name from now on, besides what was there. */
  serve(files: ReadonlyMap<string, Uint8Array>): void;
  put(name: string, bytes: Uint8Array | null): void;
  readonly seen: () => readonly string[];
}

describe('trust data is read from the pinned root on', () => {
  const scope = suiteScope();
  let machines = 0;

  async function start(first: ReadonlyMap<string, Uint8Array>): Promise<Files> {
    const names = new Map<string, Uint8Array | null>();
    const serve = (files: ReadonlyMap<string, Uint8Array>): void => {
      for (const [role, bytes] of files) {
        names.set(role, bytes);
        names.set(`${role}.${sha256Hex(bytes)}`, bytes);
      }
    };
    serve(first);
    const wire = scope.own(
      await startWireServer((request, response) => {
        const name = decodeURI(request.url ?? '')
          .split('/_trust/tuf/')[1]
          ?.replace(/\.json$/, '');
        const bytes = names.get(name ?? '') ?? null;
        if (bytes === null) answerError(response, 404, 'METADATA_NOT_FOUND', 'there is none', {});
        else response.end(bytes);
      }),
    );
    const folder = join(scope.folder(), `machines-${machines++}`);
    const address = { url: null, named: false };
    const server: TrustServer = openTrustServer({
      registryHost: wire.host,
      address,
      retry: { attempts: 1 },
    });
    scope.own({ stop: () => server.close() });
    return {
      reader: (machine, now = NOW) => ({
        server,
        cache: trustCache(join(folder, machine)),
        clock: () => now,
      }),
      serve,
      put: (name, bytes) => void names.set(name, bytes),
      seen: () => wire.seen.map(({ line }) => line),
    };
  }

  const load = (files: Files, machine = 'one', now = NOW): Promise<TrustLoad> =>
    loadTrust(files.reader(machine, now), gun);
  const refusal = (code: string, message: RegExp): object => ({
    kind: 'refused',
    refusal: { code, message: expect.stringMatching(message) },
  });
  /** Everything again with another version, by the same hands. */
  const later = (made: MadeRepository, version: number): Promise<MadeRepository> =>
    makeRepository({ hands: made.hands, version });

  it('by hash, and once: what is in the cache is not fetched again', async () => {
    const made = await makeRepository();
    const files = await start(made.files);
    const first = await load(files);
    if (first.kind !== 'trusted') throw new Error(JSON.stringify(first));
    expect(lookUpTag(first.repository.tree, 'new')).toMatchObject({ kind: 'signed' });
    const asked = files.seen();
    for (const role of ['snapshot', 'targets', 'targets/alice', 'targets/releases']) {
      const hash = sha256Hex(made.files.get(role) as Buffer);
      expect(asked).toContain(`GET /v2/${gun}/_trust/tuf/${role}.${hash}.json`);
    }
    expect((await load(files)).kind).toBe('trusted');
    const again = files.seen().slice(asked.length);
    expect(again.map((line) => line.split('/_trust/tuf/')[1])).toEqual([
      'root.json',
      'timestamp.json',
    ]);
  });

  it('and there may be none, which a machine that has seen some knows', async () => {
    const files = await start(new Map());
    expect(await load(files)).toEqual({ kind: 'none', pinned: false });
    const made = await makeRepository();
    files.serve(made.files);
    expect((await load(files)).kind).toBe('trusted');
    files.put('root', null);
    expect(await load(files)).toEqual({ kind: 'none', pinned: true });
  });

  it('T-23: refuses every earlier state of what this machine has seen, and only that', async () => {
    const made = await makeRepository();
    const second = await later(made, 2);
    // One root throughout, so that nothing is refused for its sake.
    const files2 = await replaced(second, 'root', made.files.get('root') as Buffer, 2);
    const next = { ...second, files: files2 as ReadonlyMap<string, Buffer> };
    for (const role of ['timestamp', 'snapshot', 'targets', 'targets/alice'] as const) {
      const files = await start(next.files);
      expect((await load(files)).kind).toBe('trusted');
      // Everything above it is signed anew and is newer than all: only the one file is old.
      const old = await replaced(next, role, made.files.get(role) as Buffer, 3);
      files.serve(made.files);
      if (role !== 'timestamp') files.serve(old);
      const said = await load(files);
      if (role === 'targets/alice') {
        if (said.kind !== 'trusted') throw new Error(JSON.stringify(said));
        expect(said.repository.tree.unreadable.get(role)?.code).toBe('TRUST_DATA_ROLLBACK');
        continue;
      }
      expect(said).toMatchObject(refusal('TRUST_DATA_ROLLBACK', /lower than current version 2/));
      // Who has never seen the later one cannot know.
      expect((await load(files, 'another')).kind).toBe('trusted');
    }
  });

  it('T-23: what another program has seen meanwhile is not forgotten, nor its pin', async () => {
    const made = await makeRepository();
    const second = await later(made, 2);
    const next = await replaced(second, 'root', made.files.get('root') as Buffer, 2);
    const files = await start(made.files);
    const slow = (between: () => Promise<unknown>): TrustReader => {
      const reader = files.reader('one');
      let done = false;
      const file: TrustServer['file'] = async (...asked) => {
        const bytes = await reader.server.file(...asked);
        if (asked[1] !== 'timestamp' || done) return bytes;
        done = true;
        await between();
        return bytes;
      };
      return { ...reader, server: { ...reader.server, file } };
    };
    const kept = async (role: string): Promise<unknown> =>
      files.reader('one').cache.read(gun, role);
    // On first use another is shown another root, and pins it.
    const other = await makeRepository();
    const race = slow(async () => {
      files.serve(other.files);
      expect((await load(files)).kind).toBe('trusted');
      files.serve(made.files);
    });
    expect((await loadTrust(race, gun)).kind).toBe('trusted');
    expect(await kept('root')).toEqual(other.files.get('root'));
    await files.reader('one').cache.write(gun, made.files);
    // Later one sees what was published while the other was kept waiting with what came before.
    const waiting = slow(async () => {
      files.serve(next);
      expect((await load(files)).kind).toBe('trusted');
      files.serve(made.files);
    });
    await loadTrust(waiting, gun);
    expect(await kept('timestamp')).toEqual(next.get('timestamp'));
    expect(await load(files)).toMatchObject(refusal('TRUST_DATA_ROLLBACK', /lower than current/));
  });

  it('T-22: refuses what has expired, and takes no cached timestamp for fresh', async () => {
    const made = await makeRepository();
    const files = await start(made.files);
    const late = new Date(NOW.getTime() + 15 * 86_400_000);
    const expired = refusal('TRUST_DATA_EXPIRED', /^timestamp expired at /);
    expect(await load(files, 'one', late)).toMatchObject(expired);
    expect((await load(files)).kind).toBe('trusted');
    expect(await load(files, 'one', late)).toMatchObject(expired);
  });

  it('T-22 T-23: who signs expired targets again still reads nothing older, and no frozen timestamp', async () => {
    const hands = (await makeRepository()).hands;
    const first = await makeRepository({ hands });
    const second = await makeRepository({ hands, version: 2 });
    const lapsed = async (made: MadeRepository, version: number) =>
      replaced(
        made,
        'targets',
        await resign(
          made.files.get('targets') ?? Buffer.of(),
          { expires: '2026-01-01T00:00:00Z' },
          [hands.targets],
        ),
        version,
      );
    const files = await start(await lapsed(second, 2));
    const renewing = (machine: string, now = NOW): Promise<TrustLoad> =>
      loadTrust(files.reader(machine, now), gun, { mayHaveExpired: 'targets' });
    expect(await load(files)).toMatchObject(refusal('TRUST_DATA_EXPIRED', /^targets expired/));
    expect(await renewing('one')).toMatchObject({ kind: 'trusted' });
    files.serve(await lapsed(first, 3));
    expect(await renewing('one')).toMatchObject(refusal('TRUST_DATA_ROLLBACK', /lower than/));
    const frozen = new Date(NOW.getTime() + 15 * 86_400_000);
    expect(await renewing('two', frozen)).toMatchObject(
      refusal('TRUST_DATA_EXPIRED', /^timestamp expired/),
    );
  });

  it.each(['timestamp', 'snapshot', 'targets'])(
    'refuses a %s by a wrong key, and one of another repository',
    async (role) => {
      const made = await makeRepository();
      const stranger = await makeHand('ecdsa-p256');
      const forged = await resign(made.files.get(role) as Buffer, {}, [
        { ...stranger, keyid: stranger.keyid },
      ]);
      const files = await start(await replaced(made, role, forged));
      expect(await load(files)).toMatchObject(
        refusal('TRUST_DATA_INVALID', /did not meet threshold/),
      );
      const other = await makeRepository();
      const mixed = await start(new Map(made.files).set(role, other.files.get(role) as Buffer));
      const named = sha256Hex(made.files.get(role) as Buffer);
      mixed.put(`${role}.${named}`, other.files.get(role) as Buffer);
      expect((await load(mixed)).kind).toBe('refused');
    },
  );

  it('sets a delegation aside that cannot be believed or is not served', async () => {
    const made = await makeRepository();
    const stranger = await makeHand();
    const forged = await resign(made.files.get('targets/alice') as Buffer, {}, [stranger]);
    const files = await start(await replaced(made, 'targets/alice', forged));
    const loaded = await load(files);
    if (loaded.kind !== 'trusted') throw new Error('refused');
    expect([...loaded.repository.tree.unreadable.keys()]).toEqual(['targets/alice']);
    // What is not believed is not kept: it would count as seen.
    expect(await files.reader('one').cache.read(gun, 'targets/alice')).toBeNull();
    files.put(`targets/alice.${sha256Hex(forged)}`, null);
    expect((await load(files, 'two')).kind).toBe('trusted');
  });

  it('bounds what it reads: a file longer than its listing, and an endless timestamp', async () => {
    const made = await makeRepository();
    const files = await start(made.files);
    const targets = made.files.get('targets') as Buffer;
    files.put(`targets.${sha256Hex(targets)}`, Buffer.concat([targets, Buffer.alloc(1)]));
    await expect(load(files)).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' });
    files.put('timestamp', Buffer.alloc(1024 * 1024 + 1, ' '));
    await expect(load(files)).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' });
  });

  describe('the root', () => {
    /** The next root: by the hands of the one before, and its own. */
    async function rotate(made: MadeRepository, version: number, signedBy = [made.hands.root]) {
      const root = await makeHand('ecdsa-p256', { gun: GUN, now: NOW });
      const hands = { ...made.hands, root };
      const { targets, snapshot, timestamp } = hands;
      const roles = {
        root: roleOf('root', [root]),
        targets: roleOf('targets', [targets]),
        snapshot: roleOf('snapshot', [snapshot]),
        timestamp: roleOf('timestamp', [timestamp]),
      };
      const bytes = await buildRoot(roles, {
        version,
        expires: lifetime('root', NOW),
        signers: [...signedBy, root],
      });
      return { made: { ...made, hands }, bytes };
    }

    it('is followed over every version that was slept through', async () => {
      const made = await makeRepository();
      const files = await start(made.files);
      expect((await load(files)).kind).toBe('trusted');
      const second = await rotate(made, 2);
      const third = await rotate(second.made, 3);
      files.put('2.root', second.bytes);
      files.serve(await replaced(second.made, 'root', third.bytes));
      const loaded = await load(files);
      if (loaded.kind !== 'trusted') throw new Error(JSON.stringify(loaded));
      expect(loaded.repository.root.version).toBe(3);
      expect(await files.reader('one').cache.read(gun, 'root')).toEqual(third.bytes);
    });

    it('T-59: is followed over a bounded number of bytes', async () => {
      const made = await makeRepository();
      const files = await start(made.files);
      expect((await load(files)).kind).toBe('trusted');
      const padding = Buffer.alloc(15 * 1024 * 1024, ' ');
      for (let version = 2; version < 8; version += 1) files.put(`${version}.root`, padding);
      files.put('root', (await rotate(made, 8)).bytes);
      await expect(load(files)).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' });
      expect(files.seen().some((line) => line.includes('/7.root.json'))).toBe(false);
    });

    it('of a thief of the old key is refused: the rotation between says so', async () => {
      const made = await makeRepository();
      const files = await start(made.files);
      expect((await load(files)).kind).toBe('trusted');
      const second = await rotate(made, 2);
      // Version 3 by the first key, which version 2 has replaced.
      const thief = await rotate(made, 3);
      files.put('2.root', second.bytes);
      files.serve(await replaced(made, 'root', thief.bytes));
      const refused = refusal('TRUST_DATA_INVALID', /could not rotate trust to a new trusted root/);
      expect(await load(files)).toMatchObject(refused);
      files.put('2.root', null);
      expect(await load(files)).toMatchObject(refusal('TRUST_DATA_INVALID', /2\.root/));
    });

    it('that is another one of the same version, or an older one, is refused', async () => {
      const made = await makeRepository();
      const files = await start(made.files);
      expect((await load(files)).kind).toBe('trusted');
      const other = await makeRepository();
      files.serve(other.files);
      expect(await load(files)).toMatchObject(refusal('TRUST_DATA_INVALID', /could not rotate/));
      const second = await rotate(made, 2);
      files.serve(await replaced(made, 'root', second.bytes));
      expect((await load(files)).kind).toBe('trusted');
      files.serve(made.files);
      expect(await load(files)).toMatchObject(refusal('TRUST_DATA_ROLLBACK', /of the root/));
    });

    it('of another repository is not believed on first use', async () => {
      const made = await makeRepository({ gun: 'registry.example.com/team/other' });
      const files = await start(made.files);
      expect(await load(files)).toMatchObject(refusal('TRUST_DATA_INVALID', /leaf certificates/));
    });

    it('that takes a stolen timestamp key away frees of the versions that the thief counted up to', async () => {
      const made = await makeRepository();
      const files = await start(made.files);
      const { timestamp, root, targets, snapshot } = made.hands;
      const far = await resign(made.files.get('timestamp') as Buffer, { version: 900 }, [
        timestamp,
      ]);
      files.serve(new Map([['timestamp', far]]));
      expect((await load(files)).kind).toBe('trusted');
      const fresh = await makeHand();
      const roles = {
        root: roleOf('root', [root]),
        targets: roleOf('targets', [targets]),
        snapshot: roleOf('snapshot', [snapshot]),
        timestamp: roleOf('timestamp', [fresh]),
      };
      const bytes = await buildRoot(roles, {
        version: 2,
        expires: lifetime('root', NOW),
        signers: [root],
      });
      const mended = { ...made, hands: { ...made.hands, timestamp: fresh } };
      files.serve(await replaced(mended, 'root', bytes));
      expect((await load(files)).kind).toBe('trusted');
    });
  });

  it('a pin that cannot be read is not skipped', async () => {
    const made = await makeRepository();
    const files = await start(made.files);
    const { cache } = files.reader('one');
    await cache.write(gun, new Map([['root', Buffer.from('{}')]]));
    expect(await load(files)).toMatchObject(refusal('TRUST_DATA_INVALID', /signed/));
  });
});

describe('the cache of trust data', () => {
  const scope = suiteScope();

  it('keeps files of roles only: no name leads out of its folder', async () => {
    const cache = trustCache(scope.folder());
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          fc.constantFrom('../x', 'targets/../x', 'targets//x', '/etc/passwd', 'targets/X'),
        ),
        async (name) => {
          fc.pre(!isRoleName(name));
          await expect(cache.read(gun, name)).rejects.toBeInstanceOf(RangeError);
          await expect(cache.write(gun, new Map([[name, Buffer.of(1)]]))).rejects.toBeInstanceOf(
            RangeError,
          );
        },
      ),
    );
  });

  it('says where it cannot be read: a pin that is skipped is none', async () => {
    const folder = scope.folder();
    const cache = trustCache(folder);
    expect(await cache.read(gun, 'root')).toBeNull();
    // A folder stands where the file is looked for.
    mkdirSync(join(cache.folder(gun), 'root.json'), { recursive: true });
    await expect(cache.read(gun, 'root')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });
});

describe('the trust server of a registry', () => {
  const address = (host: string, variable?: string) => trustServerAddress(host, variable);

  it('is the one that the variable names, else Docker Hub’s, else the registry itself', () => {
    expect(address('docker.io')).toMatchObject({
      value: { url: new URL('https://notary.docker.io'), named: false },
    });
    expect(address('registry.example.com:5000', '')).toMatchObject({
      value: { url: null, named: false },
    });
    expect(address('docker.io', 'https://trust.example.com/notary')).toMatchObject({
      value: { url: new URL('https://trust.example.com/notary'), named: true },
    });
  });

  it.each([
    'http://trust.example.com',
    'trust.example.com',
    'https://u:p@trust.example.com',
    'ftp://x',
  ])('is not %s', (variable) => {
    expect(address('x.example', variable)).toMatchObject({
      ok: false,
      refusal: {
        code: 'CONFIG_INVALID',
        message: expect.stringContaining('valid https URL required for trust server'),
      },
    });
  });

  it.each([
    'https://robot:hunter2@trust.example.com',
    'http://hunter2@trust.example.com/x',
    'robot:hunter2@trust.example.com',
    'https://trust.example.com/?token=hunter2',
  ])('T-78: is not %s, whose secret is not repeated', (variable) => {
    const said = address('x.example', variable);
    expect(said).toMatchObject({ ok: false, refusal: { code: 'CONFIG_INVALID' } });
    expect(JSON.stringify(said)).not.toContain('hunter2');
  });
});
