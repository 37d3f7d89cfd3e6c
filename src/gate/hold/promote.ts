import { randomUUID } from 'node:crypto';
import { messageOf } from '../../lib/errors.ts';
import { holdExpired, holdSuperseded, promoted, promotionIntended } from '../../log/hold-events.ts';
import { splitRepository } from '../../oci/reference.ts';
import type { Hold } from '../../store/store.ts';
import type { Caller } from '../access/caller.ts';
import { SERVICE } from '../access/caller.ts';
import type { Gate } from '../gate.ts';
import type { GateRegistry } from '../ports.ts';
import { laterWasGiven, moveHold } from './move.ts';

const LATER_GIVEN = 'a later push of this tag was promoted';

/**
 * Judges one waiting hold and promotes it if it is trusted now: a durable intent, an idempotent PUT
 * upstream, a recorded completion. Throws where the intent could not be made durable; a PUT that
 * upstream did not take leaves the intent for {@link replay}.
 */
export async function promoteIfTrusted(
  gate: Gate,
  registry: GateRegistry,
  hold: Hold,
  caller: Caller,
): Promise<void> {
  const { store, now } = gate.ports;
  const { repository, tag, digest } = hold;
  const question = { registry, repository, digest, tag, action: 'push', caller } as const;
  if ((await gate.evaluator.judge(question)).decision !== 'allow') return;
  await gate.tagLocks.run(`${repository}\n${tag}`, async () => {
    const fresh = await store.hold(hold.id);
    if (fresh?.state !== 'waiting' || fresh.expiresAt <= now().getTime()) return;
    // Again now that it is this hold's turn: trust may have been withdrawn while it waited for that.
    const decision = await gate.evaluator.judge(question);
    if (decision.decision !== 'allow') return;
    await gate.recording.record(decision, caller);
    if (await laterWasGiven(store, fresh)) {
      await moveHold(store, fresh, 'waiting', 'superseded', holdSuperseded(fresh, LATER_GIVEN));
      return;
    }
    const intent = promotionIntended(fresh, decision, caller.name, randomUUID());
    await moveHold(store, fresh, 'waiting', 'promoting', intent);
    await giveHeld(gate, registry, fresh);
  });
}

/** Carries out an intent that a crash or a failure left behind, when it is the tag's turn. */
export function replay(
  gate: Gate,
  registry: GateRegistry,
  { id, repository, tag }: Hold,
): Promise<void> {
  return gate.tagLocks.run(`${repository}\n${tag}`, () => replayNow(gate, registry, id));
}

/**
 * Carries out an intent that was left behind, unless the tag has gone on meanwhile or the image is
 * no longer trusted. To be called under the tag's lock.
 */
async function replayNow(gate: Gate, registry: GateRegistry, id: number): Promise<void> {
  const { store } = gate.ports;
  const hold = await store.hold(id);
  if (hold?.state !== 'promoting') return;
  const drop = (why: string): Promise<void> =>
    moveHold(store, hold, 'promoting', 'superseded', holdSuperseded(hold, why));
  if (await laterWasGiven(store, hold)) {
    await drop(LATER_GIVEN);
    return;
  }
  const { repository, digest, tag } = hold;
  const question = { registry, repository, digest, tag, action: 'push', caller: SERVICE } as const;
  const decision = await gate.evaluator.judge(question);
  if (decision.reason.code === 'CANNOT_VERIFY') return;
  if (decision.decision === 'allow') await giveHeld(gate, registry, hold);
  else await drop('it is no longer trusted');
}

/** Gives the tag upstream; a failure leaves the intent for the sweep. To be called under the tag's lock. */
async function giveHeld(gate: Gate, registry: GateRegistry, hold: Hold): Promise<void> {
  const { log, now, store } = gate.ports;
  const { path } = splitRepository(hold.repository);
  try {
    await gate.artifacts.alsoImage(hold.repository, hold.digest);
    const { tag, manifest, mediaType } = hold;
    const answer = await registry.upstream.putManifest(path, tag, manifest, mediaType, SERVICE);
    if (answer.kind === 'relay') {
      // Upstream says no, not "later": tried again while the hold lasts, then given up.
      const over = hold.expiresAt <= now().getTime();
      const what = over ? 'given up' : 'will try again';
      const fields = { hold: hold.id, status: answer.status };
      log.warn(fields, `upstream refused a promotion; ${what}`);
      if (over) await expire(gate, hold, 'promoting');
      return;
    }
    gate.tags.forget(hold.repository, tag);
    await moveHold(store, hold, 'promoting', 'promoted', promoted(hold));
    const before = await store.holds({ repository: hold.repository, tag, states: ['waiting'] });
    for (const older of before) if (older.id < hold.id) await supersede(gate, older);
  } catch (error) {
    const fields = { hold: hold.id, error: messageOf(error) };
    log.warn(fields, 'promotion not finished; will try again');
  }
}

/** As {@link promoteIfTrusted}, for what nobody asked about; drops it where a later push of the tag was given. */
export async function lookAfter(gate: Gate, registry: GateRegistry, hold: Hold): Promise<void> {
  const { store } = gate.ports;
  if (!(await laterWasGiven(store, hold))) return promoteIfTrusted(gate, registry, hold, SERVICE);
  await gate.tagLocks.run(`${hold.repository}\n${hold.tag}`, () => supersede(gate, hold));
}

/**
 * Drops a hold whose tag a later push was given: it can never have it, and must not be what a bare tag
 * may mean to who signs. To be called under the tag's lock. Throws nothing: the sweep comes again.
 */
async function supersede({ ports: { store, log } }: Gate, hold: Hold): Promise<void> {
  try {
    await moveHold(store, hold, 'waiting', 'superseded', holdSuperseded(hold, LATER_GIVEN));
  } catch (error) {
    log.warn({ hold: hold.id, error: messageOf(error) }, 'hold not superseded');
  }
}

/** Drops a hold whose time is over; one that was taken up meanwhile stays. Throws nothing: the sweep comes again. */
export async function expire(
  { ports: { store, log } }: Gate,
  hold: Hold,
  from: 'waiting' | 'promoting',
): Promise<void> {
  try {
    await moveHold(store, hold, from, 'expired', holdExpired(hold));
  } catch (error) {
    log.warn({ hold: hold.id, error: messageOf(error) }, 'hold not expired');
  }
}
