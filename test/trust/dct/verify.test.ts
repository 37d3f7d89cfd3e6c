import { beforeAll, describe, expect, it } from 'vitest';
import { CountersignError } from '../../../src/lib/errors.ts';
import { LIMITS } from '../../../src/lib/limits.ts';
import { unwrap } from '../../../src/lib/result.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { decide } from '../../../src/policy/decide.ts';
import type { DecisionSubject } from '../../../src/policy/decision.ts';
import type { Policy } from '../../../src/policy/policy.ts';
import type { Authority, Finding } from '../../../src/trust/format.ts';
import { REPOSITORY as OWNERS } from '../../../src/trust/format.ts';
import { tagInMap } from '../../../src/trust/dct/tag-in-map.ts';
import { verifyDct } from '../../../src/trust/dct/verify.ts';
import { canonicalKeyId } from '../../../src/tuf/public-key.ts';
import { DAY, NOW, REPOSITORY, policyWith, rule } from '../../policy/judging.ts';
import { MemoryEvidence } from '../../support/evidence.ts';
import type { Publishing } from '../../support/signed-map.ts';
import { SignedMap, authorityOf } from '../../support/signed-map.ts';
import { digestFor } from '../../support/store.ts';
import type { Hand } from '../../support/tuf.ts';
import { makeHand } from '../../support/tuf.ts';

const GOOD = digestFor('good');
const EVIL = digestFor('evil');
const NEXT = digestFor('next');

let alice: Hand;
let alice2: Hand;
let bob: Hand;
let mallory: Hand;
let now: Date;
let map: SignedMap;

beforeAll(async () => {
  [alice, alice2, bob, mallory] = await Promise.all([
    makeHand('ecdsa-p256'),
    makeHand('ed25519'),
    makeHand('ecdsa-p384'),
    makeHand('rsa'),
  ]);
});

async function begin(roles: Publishing['roles']): Promise<void> {
  now = NOW;
  map = await SignedMap.begin(REPOSITORY, () => now);
  await map.publish({ roles });
}

function find(
  digest: Digest,
  authorities: readonly Authority[],
  tag: string | null = '1',
): Promise<readonly Finding[]> {
  const source = new MemoryEvidence();
  source.trust = map.data();
  return verifyDct({ repository: REPOSITORY, digest, tag }, source, authorities);
}

interface Asked {
  readonly by?: readonly Authority[];
  readonly atLeast?: number;
  readonly policy?: Partial<Policy>;
  readonly roots?: readonly string[];
  readonly maxAge?: number;
  readonly subject?: Partial<DecisionSubject>;
}

/** The verdict on a digest by a policy that asks for these authorities in dct: `allow TRUSTED`, and what the refusal says. */
async function verdict(digest: Digest, asked: Asked = {}): Promise<string> {
  const by = asked.by ?? [authorityOf('alice', alice)];
  const { atLeast = by.length, policy = {}, roots = [], maxAge = null } = asked;
  const subject: DecisionSubject = {
    action: 'pull',
    repository: REPOSITORY,
    digest,
    tag: '1',
    revocations: [],
    ...asked.subject,
  };
  const require = [
    rule({ by: by.map((one) => one.name), atLeast, formats: ['dct'], roots, maxAge }),
  ];
  const governing = {
    policy: policyWith({ tags: 'signed', require, ...policy }),
    signedNames: [REPOSITORY],
    floors: [],
    revision: 'r',
  };
  const decision = decide(governing, subject, await find(digest, by, subject.tag), now);
  const { code, message } = decision.reason;
  return decision.decision === 'allow'
    ? `allow ${code}`
    : `deny ${code} ${message.slice(message.indexOf(';') + 2)}`;
}
const revoked = (...hands: readonly Hand[]): Partial<DecisionSubject> => ({
  revocations: hands.map((hand) => ({
    kind: 'key',
    keyId: hand.signer.publicKey.id,
    reason: 'lost',
  })),
});
const both = (): readonly Authority[] => [authorityOf('alice', alice), authorityOf('bob', bob)];

describe('a named authority', () => {
  it('speaks through its own role, by a key of the policy', async () => {
    await begin({ 'targets/alice': { tags: { 1: GOOD }, hands: [alice] } });
    expect(await find(GOOD, both())).toMatchObject([
      {
        format: 'dct',
        authority: 'alice',
        keyId: alice.signer.publicKey.id,
        status: 'valid',
        signed: { repository: REPOSITORY, tag: '1' },
        signedAt: { time: NOW, trusted: true },
        entry: { current: true, contradictedBy: [], standsOn: [] },
      },
    ]);
    expect(await verdict(GOOD)).toBe('allow TRUSTED');
    expect(await verdict(EVIL)).toMatch(/^deny NOT_TRUSTED found none/);
    expect(await verdict(GOOD, { subject: { tag: '2' } })).toMatch(
      /^deny NOT_TRUSTED found alice \(dct, other tag\)/,
    );
  });

  it('speaks through targets where nobody was delegated to, and not where somebody was', async () => {
    await begin({ targets: { tags: { 1: GOOD }, hands: [alice] } });
    expect(await verdict(GOOD)).toBe('allow TRUSTED');
    await begin({
      targets: { tags: { 1: GOOD }, hands: [alice] },
      'targets/bob': { tags: {}, hands: [bob] },
    });
    expect(await verdict(GOOD)).toMatch(/^deny NOT_TRUSTED found none/);
  });

  it("does not speak through another key in its role, nor by its key in another's", async () => {
    await begin({ 'targets/alice': { tags: { 1: EVIL }, hands: [mallory] } });
    expect(await verdict(EVIL)).toBe(
      'deny NOT_TRUSTED trust data: targets/alice is not signed by a key of alice',
    );
    await begin({ 'targets/bob': { tags: { 1: GOOD }, hands: [alice] } });
    expect(await verdict(GOOD)).toMatch(/^deny NOT_TRUSTED found none/);
  });

  it('T-26: is not spoken for by a releases role that carries an evil tag', async () => {
    await begin({
      'targets/alice': { tags: { 1: GOOD }, hands: [alice] },
      'targets/releases': { tags: { 1: EVIL }, hands: [alice, mallory], signedBy: [alice] },
    });
    expect(await verdict(EVIL)).toMatch(/^deny NOT_TRUSTED/);
    expect(await verdict(EVIL, { by: [authorityOf('releases', alice)] })).toMatch(/^deny/);
    expect(await verdict(GOOD)).toBe('allow TRUSTED');
    // Whoever asks for the repository's own keys takes what docker takes.
    expect(await verdict(EVIL, { by: [OWNERS] })).toBe('allow TRUSTED');
    expect(await verdict(EVIL, { by: [OWNERS, authorityOf('alice', alice)], atLeast: 1 })).toMatch(
      /^deny NOT_TRUSTED found @repository \(dct, conflict\)/,
    );
  });

  it('T-26: does not speak for tags outside the paths of its role', async () => {
    const paths = ['v1.'];
    await begin({
      'targets/alice': { tags: { 1: GOOD, 'v1.0': GOOD }, hands: [alice], paths },
      'targets/bob': { tags: { 'v1.0': EVIL }, hands: [bob], paths: ['v'] },
    });
    expect(await verdict(GOOD)).toMatch(/^deny NOT_TRUSTED/);
    expect(await verdict(GOOD, { subject: { tag: 'v1.0' } })).toBe('allow TRUSTED');
    expect(await verdict(GOOD, { by: both(), atLeast: 1, subject: { tag: 'v1.0' } })).toMatch(
      /conflict/,
    );
  });

  it('speaks by any of several keys, and needs the quorum of its role', async () => {
    const keys = [authorityOf('alice', alice, alice2)];
    const role = { tags: { 1: GOOD }, hands: [alice, alice2] };
    await begin({ 'targets/alice': { ...role, signedBy: [alice2] } });
    expect(await verdict(GOOD, { by: keys })).toBe('allow TRUSTED');
    expect(await verdict(GOOD, { by: keys, subject: revoked(alice) })).toBe('allow TRUSTED');
    expect(await verdict(GOOD, { by: keys, subject: revoked(alice2) })).toMatch(/^deny REVOKED/);
    await begin({ 'targets/alice': { ...role, threshold: 2, signedBy: [alice2] } });
    expect(await verdict(GOOD, { by: keys })).toMatch(
      /^deny NOT_TRUSTED trust data: targets\/alice needs signing again, or countersign signer add/,
    );
    await begin({ 'targets/alice': { ...role, threshold: 2 } });
    expect(await verdict(GOOD, { by: keys })).toBe('allow TRUSTED');
    // One of the two keys that the role itself asks for does not stand alone.
    expect(await verdict(GOOD, { by: keys, subject: revoked(alice) })).toMatch(/^deny REVOKED/);
  });

  it('T-26: loses an entry to a conflicting one of another who is asked for', async () => {
    await begin({
      'targets/alice': { tags: { 1: GOOD }, hands: [alice] },
      'targets/bob': { tags: { 1: EVIL }, hands: [bob] },
    });
    for (const digest of [GOOD, EVIL]) {
      expect(await verdict(digest, { by: both(), atLeast: 1 })).toMatch(
        /^deny NOT_TRUSTED found (?:alice|bob) \(dct, conflict\)/,
      );
    }
    // Whoever is not asked, or whose key was revoked, contradicts nobody.
    expect(await verdict(GOOD)).toBe('allow TRUSTED');
    expect(await verdict(GOOD, { by: both(), atLeast: 1, subject: revoked(bob) })).toBe(
      'allow TRUSTED',
    );
  });
});

describe('@repository', () => {
  it('is what docker would pull: releases, then targets', async () => {
    await begin({
      targets: { tags: { 1: EVIL, 2: GOOD } },
      'targets/releases': { tags: { 1: GOOD }, hands: [bob] },
      'targets/bob': { tags: { 3: GOOD }, hands: [bob] },
    });
    const ask = (digest: Digest, tag: string) =>
      verdict(digest, { by: [OWNERS], subject: { tag } });
    expect(await ask(GOOD, '1')).toBe('allow TRUSTED');
    expect(await ask(EVIL, '1')).toMatch(/^deny NOT_TRUSTED/);
    expect(await ask(GOOD, '2')).toBe('allow TRUSTED');
    expect(await ask(GOOD, '3')).toMatch(/^deny NOT_TRUSTED/);
  });

  it('falls with a revoked key of its role or of one above', async () => {
    await begin({ 'targets/releases': { tags: { 1: GOOD }, hands: [bob] } });
    for (const hand of [bob, map.hands.targets, map.hands.root]) {
      expect(await verdict(GOOD, { by: [OWNERS], subject: revoked(hand) })).toMatch(
        /^deny REVOKED/,
      );
    }
    expect(await verdict(GOOD, { by: [OWNERS], subject: revoked(alice) })).toBe('allow TRUSTED');
  });

  it('falls so by what it said once too, and by a tag too many to be told of', async () => {
    const many = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`t${n}`, GOOD]));
    await begin({ 'targets/releases': { tags: { ...many, once: EVIL }, hands: [bob] } });
    await map.publish({ roles: { 'targets/releases': { tags: many, hands: [bob] } } });
    const above = [bob, map.hands.targets, map.hands.root];
    for (const digest of [GOOD, EVIL]) {
      expect(await verdict(digest, { by: [OWNERS], subject: { tag: null } })).toBe('allow TRUSTED');
      for (const hand of above) {
        const subject = { ...revoked(hand), tag: null };
        expect(await verdict(digest, { by: [OWNERS], subject })).toMatch(/^deny REVOKED/);
      }
    }
    const found = await find(GOOD, [OWNERS]);
    expect(found.filter(({ entry }) => entry?.current !== true)).toEqual([]);
  });

  it('falls with a stolen key by what its delegates said once, although that key was rotated away', async () => {
    const byDigest = (digest: Digest, ...hands: readonly Hand[]) =>
      verdict(digest, { by: [OWNERS], subject: { ...revoked(...hands), tag: null } });
    await begin({ 'targets/releases': { tags: { 1: GOOD }, hands: [bob] } });
    const stolen = map.hands.targets;
    // The thief lists a key of his own, and the owner lists another for targets and puts it right.
    await map.publish({ roles: { 'targets/releases': { tags: { 1: EVIL }, hands: [mallory] } } });
    const targets = { tags: {}, hands: [alice2] };
    await map.publish({ roles: { targets, 'targets/releases': { tags: {}, hands: [bob] } } });
    for (const digest of [GOOD, EVIL]) expect(await byDigest(digest)).toBe('allow TRUSTED');
    expect(await byDigest(EVIL, stolen)).toMatch(/^deny REVOKED/);
    // Of who is a signer still, the key of today answers for what she said before.
    expect(await byDigest(GOOD, stolen)).toBe('allow TRUSTED');
    expect(await byDigest(GOOD, alice2)).toMatch(/^deny REVOKED/);
    await map.publish({ roles: { targets, 'targets/releases': { tags: {}, hands: [alice] } } });
    expect(await byDigest(GOOD)).toBe('allow TRUSTED');
    expect(await byDigest(GOOD, stolen)).toMatch(/^deny REVOKED/);
    // What targets said themselves stands on the roots, and on no other key of targets.
    await map.publish({ roles: { targets: { tags: { 2: NEXT }, hands: [mallory] } } });
    await map.publish({ roles: { targets } });
    expect(await byDigest(NEXT, stolen)).toBe('allow TRUSTED');
    expect(await byDigest(NEXT, map.hands.root)).toMatch(/^deny REVOKED/);
  });

  it('says nothing of what keys said that are listed no longer, where not every root is there', async () => {
    await begin({ 'targets/releases': { tags: { 1: GOOD }, hands: [bob] } });
    await map.publish({ roles: { 'targets/releases': { tags: { 2: NEXT }, hands: [alice] } } });
    const data = map.data();
    const source = new MemoryEvidence();
    source.trust = { ...data, formerKeys: async () => null };
    const once = { repository: REPOSITORY, digest: GOOD, tag: null };
    expect(await verifyDct(once, source, [OWNERS])).toMatchObject([{ status: 'absent' }]);
    source.trust = data;
    expect(await verifyDct(once, source, [OWNERS])).toMatchObject([{ status: 'valid' }]);
  });

  it('T-60: is told by a bounded number of keys, each of which is enough', async () => {
    const hands = await Promise.all(Array.from({ length: 60 }, () => makeHand('ecdsa-p256')));
    const tags = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`t${n}`, GOOD]));
    await begin({ 'targets/releases': { tags: { ...tags, 1: GOOD }, hands } });
    const found = await find(GOOD, [OWNERS]);
    expect(new Set(found.map(({ keyId }) => keyId)).size).toBe(LIMITS.trustVoices);
    expect(await verdict(GOOD, { by: [OWNERS] })).toBe('allow TRUSTED');
  });

  it('is what targets say where releases list no key: whose last signer docker removed is nobody', async () => {
    const targets = { tags: { 1: GOOD }, hands: [bob] };
    await begin({ targets, 'targets/releases': { tags: { 1: EVIL }, hands: [mallory] } });
    expect(await verdict(EVIL, { by: [OWNERS] })).toBe('allow TRUSTED');
    const left = { tags: { 1: EVIL }, hands: [], signedBy: [mallory] };
    await map.publish({ roles: { targets, 'targets/releases': left } });
    expect(await verdict(GOOD, { by: [OWNERS] })).toBe('allow TRUSTED');
    expect(await verdict(EVIL, { by: [OWNERS] })).toMatch(/^deny/);
    expect(tagInMap(unwrap(map.data().current), '1', [OWNERS], new Set())).toBe(GOOD);
    // Nobody who is named speaks through the owner's role because of it.
    expect(await verdict(GOOD, { by: [authorityOf('bob', bob)] })).toMatch(/^deny NOT_TRUSTED/);
    // A key that did not sign what lies there is something else: what it would say is not known.
    const unsigned = { tags: { 1: EVIL }, hands: [alice], signedBy: [mallory] };
    await map.publish({ roles: { targets, 'targets/releases': unsigned } });
    expect(await verdict(GOOD, { by: [OWNERS] })).toMatch(
      /^deny NOT_TRUSTED trust data: targets\/releases needs signing again, or countersign signer/,
    );
  });

  it('says nothing where releases cannot be believed: targets may hold an older digest', async () => {
    await begin({
      targets: { tags: { 1: EVIL } },
      'targets/releases': { tags: { 1: GOOD }, hands: [bob], expires: new Date(0) },
    });
    expect(await verdict(EVIL, { by: [OWNERS] })).toMatch(
      /^deny NOT_TRUSTED trust data: targets\/releases needs countersign sign --renew/,
    );
  });

  it('counts under pinned roots only, by any id of the key', async () => {
    await begin({ targets: { tags: { 1: GOOD } } });
    const { key, keyid, signer } = map.hands.root;
    const by = [OWNERS];
    for (const id of [keyid, canonicalKeyId(key), signer.publicKey.id]) {
      expect(await verdict(GOOD, { by, roots: [id] })).toBe('allow TRUSTED');
    }
    const other = mallory.keyid;
    expect(await verdict(GOOD, { by, roots: [other] })).toMatch(/other root/);
    expect(await verdict(GOOD, { by, roots: [keyid], policy: { roots: [other] } })).toMatch(
      /other root/,
    );
  });
});

describe('what the map says now and what it said once', () => {
  const push = { action: 'push' } as const;
  const plain: Partial<Policy> = { tags: 'registry' };

  it('differ by tag, and by digest where the policy says so', async () => {
    await begin({ 'targets/alice': { tags: { 1: GOOD }, hands: [alice] } });
    await map.publish({ roles: { 'targets/alice': { tags: { 1: EVIL }, hands: [alice] } } });
    const byDigest = { subject: { tag: null } };
    expect(await verdict(GOOD)).toMatch(/^deny NOT_TRUSTED found alice \(dct, no longer signed\)/);
    expect(await verdict(GOOD, byDigest)).toBe('allow TRUSTED');
    expect(await verdict(GOOD, { ...byDigest, policy: { digests: 'current' } })).toMatch(
      /no longer signed/,
    );
    expect(await verdict(EVIL, { ...byDigest, policy: { digests: 'current' } })).toBe(
      'allow TRUSTED',
    );
    // A name is given by what stands; the registry's own names are told by what was trusted once.
    expect(await verdict(GOOD, { policy: plain, subject: push })).toMatch(/no longer signed/);
    expect(await verdict(GOOD, { policy: plain })).toBe('allow TRUSTED');
    expect(await verdict(GOOD, { policy: { ...plain, bindTag: true } })).toMatch(/no longer/);
    expect(await verdict(GOOD, { policy: { ...plain, digests: 'current' } })).toMatch(/no longer/);
  });

  it('are as old as their first publish', async () => {
    await begin({ 'targets/alice': { tags: { 1: GOOD }, hands: [alice] } });
    now = new Date(NOW.getTime() + 2 * DAY);
    await map.publish({ roles: { 'targets/alice': { tags: { 1: GOOD }, hands: [alice] } } });
    expect(await verdict(GOOD, { maxAge: 2 * DAY })).toBe('allow TRUSTED');
    expect(await verdict(GOOD, { maxAge: 2 * DAY - 1 })).toMatch(/too old/);
  });

  it('keep the tag that was asked for among any number of others', async () => {
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`t${n}`, GOOD]));
    await begin({
      'targets/alice': { tags: { ...many, 1: GOOD, 'not a tag': GOOD }, hands: [alice] },
    });
    expect(await verdict(GOOD)).toBe('allow TRUSTED');
    expect((await find(GOOD, [authorityOf('alice', alice)])).length).toBeLessThan(40);
  });
});

describe('trust data that cannot be believed', () => {
  const roles = (): Publishing['roles'] => ({
    'targets/alice': { tags: { 1: GOOD }, hands: [alice] },
  });

  it('T-22: count for nothing once a part has expired, and no verdict outlives them', async () => {
    await begin(roles());
    const end = new Date(NOW.getTime() + DAY);
    await map.publish({ roles: roles(), snapshotExpires: end });
    const [found] = await find(GOOD, [authorityOf('alice', alice)]);
    expect(found?.entry?.expires).toEqual(end);
    expect(await verdict(GOOD)).toBe('allow TRUSTED');
    now = end;
    expect(await verdict(GOOD)).toMatch(/^deny NOT_TRUSTED trust data: snapshot expired at/);
    expect(await verdict(GOOD, { subject: { tag: null } })).toMatch(/snapshot expired/);
    // What was found before is judged by the time that it is then.
    const governing = {
      policy: policyWith({ require: [rule({ by: ['alice'], atLeast: 1, formats: ['dct'] })] }),
      signedNames: [REPOSITORY],
      floors: [],
      revision: 'r',
    };
    const subject = {
      action: 'pull',
      repository: REPOSITORY,
      digest: GOOD,
      tag: '1',
      revocations: [],
    } as const;
    const findings = found === undefined ? [] : [found];
    const before = decide(governing, subject, findings, new Date(end.getTime() - 1));
    expect(before).toMatchObject({ decision: 'allow', validUntil: new Date(end.getTime() - 1) });
    expect(decide(governing, subject, findings, end).reason.message).toMatch(/expired/);
  });

  it('T-23: count for nothing where they are older than what was seen', async () => {
    await begin(roles());
    const back = map.keep();
    await map.publish({ roles: { 'targets/alice': { tags: { 1: EVIL }, hands: [alice] } } });
    back();
    expect(await verdict(GOOD)).toBe(
      'deny NOT_TRUSTED trust data: version 1 is lower than current version 2',
    );
  });

  it('count for nothing where the root was replaced under the pin', async () => {
    await begin(roles());
    await map.beginAgain({ roles: roles() });
    expect(await verdict(GOOD)).toMatch(/^deny NOT_TRUSTED trust data: could not rotate trust/);
    expect(await verdict(GOOD, { by: [OWNERS] })).toMatch(/^deny NOT_TRUSTED/);
  });

  it('are no verdict where they could not be read, and none at all are none', async () => {
    const source = new MemoryEvidence();
    const subject = { repository: REPOSITORY, digest: GOOD };
    expect(await verifyDct(subject, source, both())).toMatchObject([{ status: 'absent' }]);
    source.fault = () => {
      throw new CountersignError('STORE_UNAVAILABLE', 'the store is down');
    };
    expect(await verifyDct(subject, source, both())).toMatchObject([
      { status: 'inconclusive', reason: 'trust data could not be read: the store is down' },
    ]);
  });
});

describe('a tag in the map', () => {
  const meant = (
    tag: string,
    by: readonly Authority[],
    ...lost: readonly Hand[]
  ): Digest | null => {
    const current = map.data().current;
    if (!current.ok) throw new Error(current.refusal.message);
    return tagInMap(current.value, tag, by, new Set(lost.map((hand) => hand.signer.publicKey.id)));
  };

  it('is what those say who are asked for and whose keys hold', async () => {
    await begin({
      'targets/alice': { tags: { 1: GOOD }, hands: [alice] },
      'targets/releases': { tags: { 1: EVIL, 2: EVIL }, hands: [mallory] },
    });
    const named = [authorityOf('alice', alice)];
    expect(meant('1', named)).toBe(GOOD);
    expect(meant('2', named)).toBeNull();
    expect(meant('1', named, alice)).toBeNull();
    expect(meant('1', [OWNERS])).toBe(EVIL);
    expect(meant('1', [OWNERS], map.hands.targets)).toBeNull();
    expect(meant('1', [])).toBeNull();
  });
});
