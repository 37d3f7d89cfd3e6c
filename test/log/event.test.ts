import { describe, expect, it } from 'vitest';
import { repeated } from '../../src/log/decision-events.ts';
import {
  held,
  holdExpired,
  holdSuperseded,
  promoted,
  promotionIntended,
} from '../../src/log/hold-events.ts';
import { keyRegistered, policyLoaded, policyRejected } from '../../src/log/policy-events.ts';
import { revocationUndone, revoked } from '../../src/log/revocation-events.ts';
import { deletionPassed } from '../../src/log/deletion-event.ts';
import { scanned } from '../../src/log/scan-event.ts';
import { encodeEvent } from '../../src/store/event-body.ts';
import type { Revocation } from '../../src/store/store.ts';
import { decision } from '../support/decision.ts';
import { newHold, repo } from '../support/store.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('events', () => {
  const hold = { ...newHold(), id: 7, state: 'waiting' as const };
  const revocation: Revocation = { kind: 'key', keyId: 'k', reason: 'lost' };
  const all = [
    revoked(revocation, 'alice', 'n'),
    revocationUndone(revocation, 'alice', 'n'),
    revoked({ kind: 'tag', repository: repo('app'), tag: '1.0', reason: 'r' }, 'alice', 'm'),
    held(hold),
    promotionIntended(hold, decision(), 'alice', '1'),
    promotionIntended(hold, decision(), 'alice', '2'),
    promoted(hold),
    holdExpired(hold),
    holdSuperseded(hold, 'a later push'.repeat(500)),
    policyLoaded(
      { revision: 'r', files: Array.from({ length: 500 }, (_, n) => `${n}ü`.repeat(90)) },
      'n',
    ),
    policyRejected({ message: 'x'.repeat(5000), kept: 'r' }, 'n'),
    keyRegistered({ authority: 'a', keyId: 'k', keyType: 'ed25519' }),
    repeated(
      Array.from({ length: 200 }, (_, n) => ({ record: 1e15 + n, count: 1e12 })),
      { from: 1, to: 2 },
      3,
      'n',
    ),
    deletionPassed({ repository: repo('app'), kind: 'blob', tag: null, digest: null }, 'a', 'n'),
    scanned(
      {
        // The most that the API takes, each as long as a name may be.
        repositories: Array.from({ length: 32 }, (_, n) => repo(`${n}${'x'.repeat(230)}`)),
        counts: { allowed: 1, warned: 2, refused: 3, unknown: 4, gone: 5 },
        complete: true,
      },
      'alice',
      'n',
    ),
  ];

  it('fit, and have keys of their own', () => {
    for (const event of all) expect(encodeEvent(event)).toMatchObject({ ok: true });
    expect(new Set(all.map((event) => hex(event.idempotencyKey))).size).toBe(all.length);
  });

  it('of a key name it; of a tag name the tag', () => {
    expect(all[0]).toMatchObject({
      type: 'revocation',
      repository: null,
      data: { kind: 'key', keyId: 'k' },
    });
    expect(all[1]).toMatchObject({ type: 'revocation-undone' });
    expect(all[2]).toMatchObject({ repository: repo('app'), tag: '1.0', digest: null });
  });

  it('of a hold never hold its bytes', () => {
    expect(JSON.stringify(held(hold).data)).not.toContain('manifest"');
    expect(held(hold)).toMatchObject({ actor: 'ci', tag: '1.0', digest: hold.digest });
  });

  it('of a scan speak of a repository where it was only one', () => {
    const counts = { allowed: 1, warned: 0, refused: 0, unknown: 0, gone: 0 };
    const repositoryOf = (...repositories: readonly string[]): string | null =>
      scanned({ repositories, counts, complete: true }, 'alice', 'n').repository;
    expect(repositoryOf(repo('app'))).toBe(repo('app'));
    expect(repositoryOf(repo('app'), repo('web'))).toBeNull();
    expect(repositoryOf('registry.example.com/**')).toBeNull();
  });
});
