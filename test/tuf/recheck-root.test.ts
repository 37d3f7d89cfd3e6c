import { describe, expect, it } from 'vitest';
import type { Result } from '../../src/lib/result.ts';
import { unwrap } from '../../src/lib/result.ts';
import { parseEnvelope } from '../../src/tuf/envelope.ts';
import { recheckRoot, verifyRoot } from '../../src/tuf/root-trust.ts';
import type { Root } from '../../src/tuf/root.ts';
import { parseRoot } from '../../src/tuf/root.ts';
import { GUN, NOW, makeHand, makeRepository, resign } from '../support/tuf.ts';

const DAY = 86_400_000;
const after = (days: number): Date => new Date(NOW.getTime() + days * DAY);
const rootOf = (bytes: Uint8Array): Root => unwrap(parseRoot(unwrap(parseEnvelope(bytes))));
const messageOf = (result: Result<Root>): string => (result.ok ? 'ok' : result.refusal.message);

describe('a root that was verified before', () => {
  it('is judged again as if it were for the first time: by its certificates’ dates and its name', async () => {
    const bytes = (await makeRepository()).files.get('root') as Buffer;
    const root = rootOf(bytes);
    for (const gun of [GUN, 'registry.example.com/team/other'])
      for (const now of [NOW, after(3649), after(3651), after(-2), NOW]) {
        const context = { gun, now };
        expect(messageOf(recheckRoot(root, context))).toBe(
          messageOf(verifyRoot(bytes, { ...context, expiry: 'any' })),
        );
      }
    expect(recheckRoot(root, { gun: GUN, now: NOW })).toEqual({ ok: true, value: root });
    expect(recheckRoot(root, { gun: GUN, now: after(3651) }).ok).toBe(false);
  });

  it('does not come to count by that: what a stranger or nobody signed stays refused', async () => {
    const bytes = (await makeRepository()).files.get('root') as Buffer;
    for (const by of [[await makeHand('ecdsa-p256', { gun: GUN, now: NOW })], []]) {
      const root = rootOf(await resign(bytes, {}, by));
      for (let again = 0; again < 2; again++)
        expect(messageOf(recheckRoot(root, { gun: GUN, now: NOW }))).toMatch(
          /failed to validate integrity of roots/,
        );
    }
  });
});
