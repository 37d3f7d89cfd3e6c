import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/lib/errors.ts';
import { buildTargets } from '../../src/tuf/build-files.ts';
import { lifetime } from '../../src/tuf/lifetime.ts';
import { lookUpTag } from '../../src/tuf/lookup.ts';
import type { TrustedRepository } from '../../src/tuf/repository.ts';
import { verifyRepository } from '../../src/tuf/repository.ts';
import type { Delegation } from '../../src/tuf/targets.ts';
import { verifyRoot } from '../../src/tuf/root-trust.ts';
import type { JsonObject } from '../../src/lib/json.ts';
import type { Result } from '../../src/lib/result.ts';
import type { Hand, MadeRepository } from '../support/tuf.ts';
import {
  GUN,
  NOW,
  makeHand,
  makeRepository,
  replaced,
  resign,
  roleOf,
  tag,
} from '../support/tuf.ts';

const EXPIRED = '2026-11-22T11:59:59Z';
const ROLES = ['root', 'timestamp', 'snapshot', 'targets', 'targets/alice', 'targets/releases'];
let made: MadeRepository;
let other: MadeRepository;
let stranger: Hand;
beforeAll(async () => {
  made = await makeRepository();
  other = await makeRepository({ gun: 'registry.example.com/team/other' });
  stranger = await makeHand();
});

const handOf = (role: string): Hand =>
  made.hands[(role.startsWith('targets/') ? 'alice' : role) as keyof typeof made.hands];

/** Verifies as a gate does: the root first, then the rest by it. */
function verify(
  files: ReadonlyMap<string, Uint8Array>,
  seen: ReadonlyMap<string, number> = new Map(),
): Result<TrustedRepository> {
  const context = { gun: GUN, now: NOW, expiry: 'required' } as const;
  const root = verifyRoot(files.get('root') ?? Buffer.of(), context);
  return root.ok ? verifyRepository({ ...context, root: root.value, files, seen }) : root;
}

/** What a verification says of a role: its own refusal where it is a delegation, else the whole one. */
function codeFor(role: string, result: Result<TrustedRepository>): ErrorCode | 'accepted' {
  if (!result.ok) return result.refusal.code;
  return result.value.tree.unreadable.get(role)?.code ?? 'accepted';
}

describe('the metadata swizzler', () => {
  it('leaves an untouched repository trusted', () => {
    const result = verify(made.files);
    expect(result.ok && lookUpTag(result.value.tree, 'new')).toMatchObject({ kind: 'signed' });
    expect(result.ok && result.value.tree.roles.size).toBe(3);
  });

  it.each(ROLES)('T-22: an expired %s is refused', async (role) => {
    const file = await resign(made.files.get(role) as Buffer, { expires: EXPIRED }, [handOf(role)]);
    expect(codeFor(role, verify(await replaced(made, role, file)))).toBe('TRUST_DATA_EXPIRED');
  });

  it.each(ROLES)('T-23: a %s older than what was seen is refused', (role) => {
    expect(codeFor(role, verify(made.files, new Map([[role, 1]])))).toBe('accepted');
    const result = verify(made.files, new Map([[role, 2]]));
    expect(codeFor(role, result)).toBe('TRUST_DATA_ROLLBACK');
  });

  it.each(ROLES)('a missing %s is refused', (role) => {
    const files = new Map(made.files);
    files.delete(role);
    expect(codeFor(role, verify(files))).not.toBe('accepted');
  });

  it.each(ROLES)(
    'a %s that a stranger signed is refused, though all above it lists it',
    async (role) => {
      const file = await resign(made.files.get(role) as Buffer, {}, [stranger]);
      expect(codeFor(role, verify(await replaced(made, role, file)))).toBe('TRUST_DATA_INVALID');
    },
  );

  it.each(ROLES)('a %s that nobody signed is refused', async (role) => {
    const file = await resign(made.files.get(role) as Buffer, {}, []);
    expect(codeFor(role, verify(await replaced(made, role, file)))).toBe('TRUST_DATA_INVALID');
  });

  it.each(ROLES)(
    'a stranger’s signature under the id of the right key of %s is refused',
    async (role) => {
      const forged = { ...stranger, keyid: handOf(role).keyid };
      const file = await resign(made.files.get(role) as Buffer, {}, [forged]);
      expect(codeFor(role, verify(await replaced(made, role, file)))).toBe('TRUST_DATA_INVALID');
    },
  );

  it.each(ROLES)('a %s of another repository is refused', (role) => {
    const files = new Map(made.files).set(role, other.files.get(role) as Buffer);
    expect(codeFor(role, verify(files))).toBe('TRUST_DATA_INVALID');
  });

  it.each(ROLES)('a validly signed %s that is not the listed one is refused', async (role) => {
    if (role === 'timestamp') return expect(codeFor(role, verify(made.files))).toBe('accepted');
    const file = await resign(made.files.get(role) as Buffer, { version: 2 }, [handOf(role)]);
    const result = verify(new Map(made.files).set(role, file));
    expect(codeFor(role, result)).toBe('TRUST_DATA_INVALID');
    const { message } = result.ok
      ? (result.value.tree.unreadable.get(role) ?? { message: '' })
      : result.refusal;
    return expect(message).toMatch(`sha256 checksum for ${role} did not match: expected `);
  });

  it.each(ROLES)('another type, version or member in %s is refused', async (role) => {
    const changes = [
      { _type: 'Mirrors' },
      { version: 0 },
      { version: '1' },
      { expires: 'soon' },
      { expires: '2027-02-30T00:00:00Z' },
    ];
    for (const change of changes) {
      const file = await resign(made.files.get(role) as Buffer, change, [handOf(role)]);
      expect([change, codeFor(role, verify(await replaced(made, role, file)))]).toEqual([
        change,
        'TRUST_DATA_INVALID',
      ]);
    }
  });

  it.each(ROLES)(
    'any changed or missing byte of %s is refused, and nothing throws',
    async (role) => {
      const bytes = made.files.get(role) as Buffer;
      const at = fc.nat(bytes.length - 1);
      const accepted: string[] = [];
      await fc.assert(
        fc.asyncProperty(
          at,
          fc.integer({ min: 1, max: 255 }),
          fc.boolean(),
          async (index, flip, cut) => {
            const changed = cut ? bytes.subarray(0, index) : Buffer.from(bytes);
            if (!cut) changed[index] = (changed[index] ?? 0) ^ flip;
            const result = verify(await replaced(made, role, changed));
            // The case of a method is not signed, and Notary does not read it; nothing else may differ.
            const method = /"method":"([a-z]+)"/.exec(bytes.toString());
            const start = (method?.index ?? 0) + 10;
            const inMethod =
              !cut && flip === 0x20 && index >= start && index < start + (method?.[1] ?? '').length;
            if (!inMethod && codeFor(role, result) === 'accepted')
              accepted.push(`${index} ^ ${flip}`);
          },
        ),
        { numRuns: 150 },
      );
      expect(accepted).toEqual([]);
    },
  );

  it.each(ROLES)(
    'T-15: huge, deep, doubled and foreign JSON in place of %s is refused',
    async (role) => {
      const bytes = (made.files.get(role) as Buffer).toString();
      const files = [
        Buffer.alloc(16 * 1024 * 1024 + 1, ' '),
        Buffer.from('['.repeat(100_000)),
        Buffer.from(`${'{"signed":'.repeat(100)}1${'}'.repeat(100)}`),
        Buffer.from(bytes.replace('"version":1', '"version":1,"version":2')),
        Buffer.from(bytes.replace('{"signed"', '{"more":1,"signed"')),
        Buffer.from(`${bytes}{}`),
        Buffer.from(`\ufeff${bytes}`),
        Buffer.from('null'),
        Buffer.from('<html>'),
        Buffer.of(),
        Buffer.of(0xff),
      ];
      for (const file of files) {
        expect(codeFor(role, verify(await replaced(made, role, file)))).not.toBe('accepted');
      }
    },
  );

  it('T-14: a root that lists one key for a role under a threshold of two is refused', async () => {
    const root = made.files.get('root') as Buffer;
    const { signed } = JSON.parse(root.toString()) as {
      signed: { roles: Record<string, { keyids: string[] }> };
    };
    const { targets } = signed.roles;
    const keyids = [...(targets?.keyids ?? []), ...(targets?.keyids ?? [])];
    const roles = { ...signed.roles, targets: { keyids, threshold: 2 } };
    const file = await resign(root, { roles }, [made.hands.root]);
    expect(verify(await replaced(made, 'root', file))).toMatchObject({
      refusal: {
        message: 'root type metadata invalid: invalid threshold specified for targets: 2 ',
      },
    });
  });

  it.each([0, -1, 1.5, 3, '1', null])(
    'T-15: a root with the threshold %j is refused',
    async (threshold) => {
      const root = made.files.get('root') as Buffer;
      const { signed } = JSON.parse(root.toString()) as {
        signed: { roles: Record<string, JsonObject> };
      };
      for (const role of ['root', 'targets', 'snapshot', 'timestamp']) {
        const roles = { ...signed.roles, [role]: { ...signed.roles[role], threshold } };
        const sign = resign(root, { roles }, [made.hands.root]);
        if (threshold === 1.5) await expect(sign).rejects.toThrow(RangeError);
        else expect(verify(await replaced(made, 'root', await sign)).ok).toBe(false);
      }
    },
  );

  it('an unreadable releases role hides what it would have said; an unreadable stranger does not', async () => {
    const releases = await resign(made.files.get('targets/releases') as Buffer, {}, [stranger]);
    const hidden = verify(await replaced(made, 'targets/releases', releases));
    expect(hidden.ok && lookUpTag(hidden.value.tree, 'old')).toMatchObject({
      kind: 'unreadable',
      role: 'targets/releases',
    });
    const alice = await resign(made.files.get('targets/alice') as Buffer, {}, [stranger]);
    const shown = verify(await replaced(made, 'targets/alice', alice));
    expect(shown.ok && lookUpTag(shown.value.tree, 'old')).toMatchObject({
      kind: 'signed',
      entry: { role: 'targets' },
    });
  });

  it('ten thousand tags in one role verify and are looked up', async () => {
    const file = await resign(
      made.files.get('targets') as Buffer,
      {
        targets: Object.fromEntries(
          Array.from({ length: 10_000 }, (_, index) => {
            const { sha256, length } = tag(`content ${index}`);
            return [
              `v${index}`,
              { hashes: { sha256: Buffer.from(sha256, 'hex').toString('base64') }, length },
            ];
          }),
        ),
      },
      [made.hands.targets],
    );
    const result = verify(await replaced(made, 'targets', file));
    expect(result.ok && lookUpTag(result.value.tree, 'v9999')).toMatchObject({
      entry: { digest: `sha256:${tag('content 9999').sha256}` },
    });
  });

  interface Bent {
    readonly threshold?: number;
    /** How often the one signature is there. */
    readonly copies?: number;
    /** Values that mean nothing. */
    readonly junk?: number;
  }

  /** The repository with delegations to as many roles of alice's, bent each as `bent` says. */
  async function withRoles(
    count: number,
    bent: (name: string) => Bent,
  ): Promise<Result<TrustedRepository>> {
    const { alice, targets } = made.hands;
    const names = Array.from({ length: count }, (_, n) => `targets/r${String(n).padStart(2, '0')}`);
    const files = new Map(made.files);
    const delegations: Delegation[] = [];
    for (const name of names) {
      const { threshold = 1, copies = 1, junk = 0 } = bent(name);
      delegations.push({ ...roleOf(name, [alice], threshold), paths: [''] });
      const plain = await resign(
        made.files.get('targets/alice') as Buffer,
        { junk: Array.from({ length: junk }, () => 1) },
        [alice],
      );
      const { signed, signatures } = JSON.parse(plain.toString()) as {
        signed: object;
        signatures: object[];
      };
      const all = Array.from({ length: copies }, () => signatures[0]);
      files.set(name, Buffer.from(JSON.stringify({ signed, signatures: all })));
    }
    const file = { version: 1, expires: lifetime('targets', NOW), signers: [targets] };
    const parent = await buildTargets({ targets: new Map(), delegations }, file);
    return verify(await replaced({ ...made, files }, 'targets', parent));
  }
  const refusalOf = (result: Result<TrustedRepository>, role: string): string | undefined =>
    result.ok ? result.value.tree.unreadable.get(role)?.message : result.refusal.message;

  it('T-60: signatures of roles that are set aside count for how many are checked', async () => {
    // With the one of targets as many as are checked, by one key of the two that their delegations ask for.
    const result = await withRoles(5, (name) =>
      name === 'targets/r04' ? {} : { threshold: 2, copies: name === 'targets/r03' ? 255 : 256 },
    );
    expect(refusalOf(result, 'targets/r03')).toMatch('did not meet threshold');
    expect(refusalOf(result, 'targets/r04')).toBe('expected at most 1024 signatures in all roles');
  });

  it('T-60: of more values than are read of a repository the last roles are set aside', async () => {
    const result = await withRoles(6, (name) => ({ junk: name === 'targets/r05' ? 0 : 199_000 }));
    expect(refusalOf(result, 'targets/r04')).toBeUndefined();
    const more = await withRoles(7, (name) => ({ junk: name === 'targets/r06' ? 0 : 199_000 }));
    for (const role of ['targets/r05', 'targets/r06'])
      expect(refusalOf(more, role)).toBe('expected at most 1000000 JSON values in all roles');
  });
});
