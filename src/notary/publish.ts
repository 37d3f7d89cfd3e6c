import { randomUUID } from 'node:crypto';
import { sha256Hex } from '../lib/bytes.ts';
import { codeOf, messageOf } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { unwrap } from '../lib/result.ts';
import { tagSigned, trustPublished } from '../log/trust-events.ts';
import type { Digest } from '../oci/digest.ts';
import { digestFromHex } from '../oci/digest.ts';
import type { Write } from '../store/store.ts';
import type { StoredTrustFile, TrustFile } from '../store/trust-data.ts';
import { buildServerFiles } from '../tuf/build-files.ts';
import { meetsPins } from '../tuf/root-pin.ts';
import type { Root } from '../tuf/root.ts';
import type { AcceptedUpdate } from '../tuf/update.ts';
import { validateUpdate } from '../tuf/update.ts';
import { fault } from '../tuf/update-refusal.ts';
import type { NamedTag, RoleChange } from './entries.ts';
import { changeOf, rememberRole } from './entries.ts';
import { newStatements } from './statement.ts';
import type { PublishOutcome, PublishRequest } from './notary.ts';
import { stepPin } from './pin.ts';
import type { PinStep } from './pin.ts';
import type { NotaryPorts } from './ports.ts';
import type { RepositoryState } from './repository-state.ts';
import type { ServerKeys } from './server-keys.ts';
import { firstUses } from './server-keys.ts';

/** Tags that one publish records each by itself; of more it records how many. */
const RECORDED_TAGS = 100;

/** How a publish ended. */
export interface Published {
  readonly outcome: PublishOutcome;
  /** What the repository is now; `null` where nothing changed, `unknown` where it is not what it was judged by. */
  readonly state: RepositoryState | 'unknown' | null;
}

const FORBIDDEN: PublishOutcome = { ok: false, refusal: { code: 'FORBIDDEN' } };
const VERSION: PublishOutcome = { ok: false, refusal: { code: 'VERSION' } };

/**
 * Judges an upload by the state that the repository has, and stores it with what the server signs for
 * it, the pin, the entries and the record: one commit, all or nothing. For one caller at a time. Rejects
 * with MASTER_KEY_WRONG, or as the store does; then it is not known whether it was stored.
 */
export async function publish(
  ports: NotaryPorts,
  keys: ServerKeys,
  before: RepositoryState,
  request: PublishRequest,
): Promise<Published> {
  const refused = (outcome: PublishOutcome): Published => ({ outcome, state: null });
  const { repository, parts } = request;
  const { store, clock } = ports;
  const pins = ports.pinnedRoots(repository);
  const bringsRoot = parts.some(({ role }) => role === 'root');
  // Without the right to push one may only begin a repository whose root policy has named already.
  if (!request.mayPush && (pins === null || !bringsRoot || before.files.has('root')))
    return refused(FORBIDDEN);
  const held = await keys.of(repository);
  const now = clock();
  const rootFile = before.files.get('root');
  const storedRoot = rootFile && roots.get(rootFile);
  const judged = validateUpdate({
    gun: repository,
    now,
    parts,
    stored: before.files,
    ...(storedRoot === undefined ? {} : { storedRoot }),
    serverKeys: new Set(held.map(({ id }) => id)),
  });
  if (!judged.ok) return refused(judged);
  const accepted = judged.value;
  const { server, root } = accepted;
  if (rootFile !== undefined && root.envelope.bytes === rootFile.bytes) roots.set(rootFile, root);
  if (pins !== null && bringsRoot && !meetsPins(root, repository, pins))
    return refused(request.mayPush ? NOT_PINNED : FORBIDDEN);
  if (server === null) return refused({ ok: true, signed: [] });
  if (entryCount(accepted) > LIMITS.trustEntries) return refused(TOO_MANY);
  const statements = await newStatements(store, repository, accepted.targets);
  if (statements === null) return refused(FOREIGN);

  const made = await buildServerFiles(server, (keyid) => keys.signer(held, keyid));
  // The parts are views of the whole upload, which is not to be kept for as long as one of them is.
  const own = accepted.files.map((file) => ({ ...file, bytes: Buffer.from(file.bytes) }));
  const files = [...own, ...made];
  const pin = stepPin(repository, now, await store.trustPin(repository), {
    root,
    versions: new Map([['root', root.version], ...files.map(versionOf)]),
  });
  const changes = [...accepted.targets.values()].map((role) =>
    changeOf(role, before.files.get(role.name)),
  );
  const named = files.map((file) => ({ file, sha256: sha256Hex(file.bytes) }));
  const events = recordOf(request, accepted, named, pin, changes);
  const writes: Write[] = [
    ...events,
    { kind: 'trust-files', repository, files },
    { kind: 'trust-statements', repository, statements },
    { kind: 'server-key-used', ids: firstUses(server, held) },
  ];
  if (pin.pin !== null) writes.push({ kind: 'trust-pin', repository, pin: pin.pin });
  // What does not stand under the pinned root was never said by whom the repository is held to.
  if (pin.believed)
    writes.push({
      kind: 'trust-entries',
      repository,
      entries: changes.flatMap(({ entries }) => entries),
    });
  let storedAt: number;
  try {
    const committed = await store.commit(writes);
    storedAt = committed.events[0]?.time ?? now.getTime();
  } catch (error) {
    if (codeOf(error) === 'STORE_CONFLICT') return { outcome: VERSION, state: 'unknown' };
    if (codeOf(error) === 'TOO_LARGE') return refused(fault('ErrValidation', messageOf(error)));
    throw error;
  }
  const after = new Map(before.files);
  for (const { file, sha256 } of named) {
    const stored: StoredTrustFile = { ...file, bytes: file.bytes, sha256, storedAt };
    const role = accepted.targets.get(file.role);
    if (role !== undefined) rememberRole(stored, role);
    after.set(file.role, stored);
  }
  return {
    outcome: { ok: true, signed: pin.believed ? digestsOf(changes) : [] },
    state: { files: after },
  };
}

/** Stored roots as they were verified; only by their own bytes, never by those of an upload. */
const roots = new WeakMap<StoredTrustFile, Root>();

// Nothing that is signed in a targets role names the repository or the role: without this, whoever may
// push could copy a signer's file to another repository where the same key signs, or what she signed for
// all in `targets/releases` into the role that is her own word, and need no key for it.
const FOREIGN = fault(
  'ErrBadTargets',
  'these targets were signed for another role or repository and published there; sign them anew for this one',
);

const TOO_MANY = fault(
  'ErrValidation',
  `expected at most ${LIMITS.trustEntries} tags in one upload, each counted once for every key that signed its file`,
);

/** Entries of all that an upload names; before they are made, as few bytes name very many. */
function entryCount({ targets }: AcceptedUpdate): number {
  let count = 0;
  for (const role of targets.values()) count += role.targets.size * role.signers.size;
  return count;
}

const NOT_PINNED = fault(
  'ErrBadRoot',
  'the policy of this registry pins other root keys for this repository',
);

function versionOf({ role, version }: TrustFile): [string, number] {
  return [role, version];
}

function digestsOf(changes: readonly RoleChange[]): readonly Digest[] {
  return [...new Set(changes.flatMap(({ signed }) => signed.map(({ digest }) => digest)))];
}

/** The record of a publish, and of the tags that it signed: one for a tag and digest, whatever number of roles say it. */
function recordOf(
  { repository, actor }: PublishRequest,
  { targets }: AcceptedUpdate,
  files: readonly { readonly file: TrustFile; readonly sha256: string }[],
  pin: PinStep,
  changes: readonly RoleChange[],
): readonly Write[] {
  const nonce = randomUUID();
  const signed = new Map<string, NamedTag>();
  for (const change of pin.believed ? changes : []) {
    for (const one of change.signed) {
      const name = `${one.tag} ${one.digest}`;
      // A person's own role says more than the one that everybody writes.
      if (!signed.has(name) || one.role !== 'targets/releases') signed.set(name, one);
    }
  }
  const hashes = new Map(files.map(({ file, sha256 }) => [file.role, sha256]));
  const fact = {
    repository,
    files: files.map(({ file: { role, version }, sha256 }) => ({ role, version, sha256 })),
    pin: pin.state,
    believed: pin.believed,
    signed: signed.size,
  };
  const tags = [...signed.values()].slice(0, RECORDED_TAGS).map(({ role, tag, digest }): Write => {
    const keyId = targets.get(role)?.signers.keys().next().value ?? '';
    const payload = unwrap(digestFromHex('sha256', hashes.get(role) ?? ''));
    const event = tagSigned({ repository, tag, digest, role, keyId, payload }, actor, nonce);
    return { kind: 'event', event };
  });
  return [{ kind: 'event', event: trustPublished(fact, actor, nonce) }, ...tags];
}
