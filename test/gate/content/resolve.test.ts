import { afterEach, describe, expect, it } from 'vitest';
import type { Caller } from '../../../src/gate/access/caller.ts';
import { SERVICE } from '../../../src/gate/access/caller.ts';
import { openUpstream } from '../../../src/gate/upstream/open.ts';
import type { GateRegistry } from '../../../src/gate/ports.ts';
import { TagResolver } from '../../../src/gate/content/resolve.ts';
import { digestFor, repo } from '../../support/store.ts';
import type { WireServer } from '../../support/wire-server.ts';
import { answerError, startWireServer } from '../../support/wire-server.ts';

const other: Caller = { ...SERVICE, name: 'other', credentialKey: 'other' };

describe('resolving a tag', () => {
  const open: { stop(): Promise<unknown> }[] = [];
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.stop();
  });

  /** A registry whose one tag means what `digest` says when it is asked, and answers when `gate` is open. */
  async function site(answer: () => Promise<string | number>): Promise<{
    readonly tags: TagResolver;
    readonly registry: GateRegistry;
    readonly wire: WireServer;
    readonly later: (ms: number) => void;
  }> {
    const wire = await startWireServer(async (_request, response) => {
      const given = await answer();
      if (typeof given === 'number') return answerError(response, given, 'UNKNOWN', 'no');
      response.writeHead(200, { 'docker-content-digest': given });
      response.end();
    });
    open.push(wire);
    const upstream = openUpstream({ origin: wire.url, passCredentials: true });
    open.push({ stop: () => upstream.close() });
    let now = 0;
    return {
      tags: new TagResolver(() => new Date(now)),
      registry: { host: 'reg.test', aliases: [], upstream, upstreamJudges: true },
      wire,
      later: (ms) => {
        now += ms;
      },
    };
  }

  it('asks once for all who ask at the same time, and again after a second', async () => {
    const { tags, registry, wire, later } = await site(async () => digestFor('a'));
    const ask = (who = SERVICE) => tags.resolve(registry, repo('app'), '1', who);
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask()));
    expect(new Set(answers.map((one) => JSON.stringify(one)))).toHaveLength(1);
    expect(wire.seen).toHaveLength(1);
    later(999);
    await ask();
    expect(wire.seen).toHaveLength(1);
    later(1);
    await ask();
    expect(wire.seen).toHaveLength(2);
    // What one credential was answered says nothing to another.
    await ask(other);
    expect(wire.seen).toHaveLength(3);
  });

  it('forgets a tag that was just given, and the look that was under way', async () => {
    let release: (() => void) | undefined;
    let digest = digestFor('old');
    let hold = true;
    const { tags, registry } = await site(async () => {
      const now = digest;
      if (hold) await new Promise<void>((resolve) => (release = resolve));
      return now;
    });
    const ask = () => tags.resolve(registry, repo('app'), '1', SERVICE);
    const early = ask();
    await expect.poll(() => release).toBeDefined();
    digest = digestFor('new');
    hold = false;
    tags.forget(repo('app'), '1');
    expect(await ask()).toEqual({ kind: 'found', digest: digestFor('new') });
    release?.();
    expect(await early).toEqual({ kind: 'found', digest: digestFor('old') });
    expect(await ask()).toEqual({ kind: 'found', digest: digestFor('new') });
  });

  it('T-57: remembers no trouble and no refusal', async () => {
    let status: string | number = 500;
    const { tags, registry } = await site(async () => status);
    const ask = () => tags.resolve(registry, repo('app'), '1', SERVICE);
    await expect(ask()).rejects.toMatchObject({ code: 'UPSTREAM_UNAVAILABLE' });
    for (status of [401, 403, 429]) expect(await ask()).toMatchObject({ kind: 'relay', status });
    status = digestFor('a');
    expect(await ask()).toEqual({ kind: 'found', digest: digestFor('a') });
  });
});
