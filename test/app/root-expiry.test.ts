import { describe, expect, it } from 'vitest';
import { RootExpiry } from '../../src/app/root-expiry.ts';
import { buildRoot } from '../../src/tuf/build-files.ts';
import { repo, storeSuite } from '../support/store.ts';
import { makeHand, roleOf } from '../support/tuf.ts';

const NOW = new Date('2026-11-22T12:00:00Z');
const DAY = 86_400_000;

/** A root whose certificate ends so many days from now: docker's last for ten years of 365 days. */
async function rootEnding(gun: string, days: number): Promise<Buffer> {
  const made = new Date(NOW.getTime() + (days - 3650) * DAY);
  const hand = await makeHand('ecdsa-p256', { gun, now: made });
  const roles = ['root', 'targets', 'snapshot', 'timestamp'] as const;
  const all = Object.fromEntries(roles.map((name) => [name, roleOf(name, [hand])]));
  return buildRoot(all as Record<(typeof roles)[number], ReturnType<typeof roleOf>>, {
    version: 1,
    expires: new Date(NOW.getTime() + days * DAY),
    signers: [hand],
  });
}

describe('the ends of root certificates', () => {
  const { withStore } = storeSuite('sqlite');

  it('are counted by bound, the first one is known, and who is warned of it is the operator at the start', () =>
    withStore(
      async (store) => {
        let now = NOW;
        const roots = new RootExpiry(store, () => now);
        const warned: unknown[] = [];
        const warn = (fields: object): void => void warned.push(fields);
        const log = { info: warn, warn, error: warn };
        await roots.warn(log);
        expect(warned).toEqual([]);
        const none = { '0d': 0, '30d': 0, '90d': 0, '365d': 0 };
        expect(await roots.summary()).toMatchObject({ earliest: null, within: none });
        for (const [name, days] of [
          ['ended', -1],
          ['soon', 20],
          ['later', 300],
          ['young', 3000],
        ] as const) {
          const repository = repo(name);
          const root = await rootEnding(repository, days);
          const pin = { root, seen: new Map([['root', 1]]) };
          await store.commit([{ kind: 'trust-pin', repository, pin }]);
        }
        // A look counts for ten minutes.
        expect(await roots.summary()).toMatchObject({ earliest: null });
        now = new Date(NOW.getTime() + 600_000);
        expect(await roots.summary()).toMatchObject({
          earliest: new Date(NOW.getTime() - DAY),
          within: { '0d': 1, '30d': 2, '90d': 2, '365d': 3 },
        });
        await roots.warn(log);
        expect(warned).toMatchObject(
          ['ended', 'soon', 'later'].map((name) => ({ repository: repo(name) })),
        );
      },
      () => NOW,
    ));

  it('are named for the twenty first repositories, and counted for the others', () =>
    withStore(
      async (store) => {
        for (let at = 0; at < 23; at++) {
          const repository = repo(`app-${at}`);
          const root = await rootEnding(repository, 300 - at);
          await store.commit([
            { kind: 'trust-pin', repository, pin: { root, seen: new Map([['root', 1]]) } },
          ]);
        }
        const warned: object[] = [];
        const warn = (fields: object): void => void warned.push(fields);
        await new RootExpiry(store, () => NOW).warn({ info: warn, warn, error: warn });
        expect(warned).toHaveLength(21);
        expect(warned[0]).toMatchObject({ repository: repo('app-22') });
        expect(warned.at(-1)).toEqual({ more: 3 });
      },
      () => NOW,
    ));
});
