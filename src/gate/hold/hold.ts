import { randomUUID } from 'node:crypto';
import { CountersignError, messageOf } from '../../lib/errors.ts';
import { holdExpired, holdSuperseded, promoted, promotionIntended } from '../../log/hold-events.ts';
import { signatureAccepted, signatureOf } from '../../log/signature-events.ts';
import type { Digest } from '../../oci/digest.ts';
import { hexOf } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import { splitRepository } from '../../oci/reference.ts';
import type { Decision } from '../../policy/decision.ts';
import type { Hold } from '../../store/store.ts';
import type { Caller } from '../access/caller.ts';
import { SERVICE } from '../access/caller.ts';
import type { Gate } from '../gate.ts';
import type { GateRegistry } from '../ports.ts';

/**
 * Holds: unsigned pushes that wait for their signature. A promotion is a durable intent, an
 * idempotent PUT upstream, a recorded completion; what was intended is replayed at start.
 */
export class Holds {
  readonly #gate: Gate;

  constructor(gate: Gate) {
    this.#gate = gate;
  }

  /**
   * A signature for a digest has arrived: promotes what waits for it. Resolves once each promotion
   * is durably intended and was tried; one that upstream did not take is retried by the sweep.
   */
  async signatureArrived(
    registry: GateRegistry,
    repository: Repository,
    digest: Digest,
    caller: Caller,
  ): Promise<void> {
    this.#gate.evaluator.verdicts.forget(repository, digest);
    const trusted = await this.#recordSignatures(registry, repository, digest, caller);
    if (trusted) await this.#warm(registry, repository, digest, caller);
    const holds = await this.#gate.ports.store.holds({ repository, digest, states: ['waiting'] });
    for (const hold of holds) await this.consider(registry, hold, caller);
  }

  /**
   * A repository's trust data have changed, whichever way: verdicts on it are taken anew. Promotes what
   * waits for what is signed now, where it is what the signed map says of the tag. Resolves once each
   * promotion is durably intended and was tried. Throws nothing: what went wrong is tried again by the sweep.
   */
  async trustPublished(
    registry: GateRegistry,
    repository: Repository,
    signed: readonly Digest[],
    caller: Caller,
  ): Promise<void> {
    this.#gate.evaluator.verdicts.forgetRepository(repository);
    try {
      // Mostly nothing waits, and a publish may sign thousands of tags: who signed them the publish recorded.
      const waiting = await this.#gate.ports.store.holds({ repository, states: ['waiting'] });
      if (waiting.length === 0) return;
      const digests = new Set([...signed, ...(await this.#inMap(repository, waiting))]);
      for (const digest of digests)
        await this.signatureArrived(registry, repository, digest, caller);
    } catch (error) {
      const fields = { repository, error: messageOf(error) };
      this.#gate.ports.log.warn(fields, 'could not look at what waits; will try again');
    }
  }

  /** Of what waits, what some role of the map says that its tag is: a conflict may have ended, or a root come back. */
  async #inMap(repository: Repository, holds: readonly Hold[]): Promise<readonly Digest[]> {
    const data = await this.#gate.ports.trustData(repository);
    const roles = data?.current.ok === true ? [...data.current.value.tree.roles.values()] : [];
    return holds.flatMap(({ tag, digest }) =>
      roles.some(({ targets }) => targets.get(tag)?.sha256 === hexOf(digest)) ? [digest] : [],
    );
  }

  /** Records whose signatures are there now, with who brought them; true where they suffice. The verdict is warm for the first pull. */
  async #recordSignatures(
    registry: GateRegistry,
    repository: Repository,
    digest: Digest,
    caller: Caller,
  ): Promise<boolean> {
    const decision = await this.#gate.evaluator.judge({
      registry,
      repository,
      digest,
      tag: null,
      action: 'pull',
      caller,
    });
    const facts = decision.findings.map((finding) => signatureOf({ repository, digest }, finding));
    const events = facts
      .filter((fact) => fact !== null)
      .map((fact) => signatureAccepted(fact, caller.name));
    if (events.length > 0)
      await this.#gate.ports.store.commit(events.map((event) => ({ kind: 'event', event })));
    return decision.decision === 'allow';
  }

  /** Fetches what was just signed, so that the first pull finds it here; not a reason to fail for the signer. */
  async #warm(
    registry: GateRegistry,
    repository: Repository,
    digest: Digest,
    caller: Caller,
  ): Promise<void> {
    await this.#gate.fetcher.fetch(registry, repository, digest, caller).catch(() => null);
  }

  /** Judges one waiting hold and promotes it if it is trusted now. */
  async consider(registry: GateRegistry, hold: Hold, caller: Caller): Promise<void> {
    const { repository, tag, digest } = hold;
    const question = { registry, repository, digest, tag, action: 'push', caller } as const;
    if ((await this.#gate.evaluator.judge(question)).decision !== 'allow') return;
    await this.#gate.tagLocks.run(`${repository}\n${tag}`, async () => {
      const fresh = await this.#gate.ports.store.hold(hold.id);
      if (fresh?.state !== 'waiting' || fresh.expiresAt <= this.#gate.ports.now().getTime()) return;
      // Again now that it is this hold's turn: trust may have been withdrawn while it waited for that.
      const decision = await this.#gate.evaluator.judge(question);
      if (decision.decision !== 'allow') return;
      await this.#gate.recording.record(decision, caller);
      if (await this.#laterWasGiven(fresh)) {
        await this.#move(
          fresh,
          'waiting',
          'superseded',
          holdSuperseded(fresh, 'a later push of this tag was promoted'),
        );
        return;
      }
      await this.#move(
        fresh,
        'waiting',
        'promoting',
        promotionIntended(fresh, decision, caller.name, randomUUID()),
      );
      await this.#give(registry, fresh);
    });
  }

  /** Gives the tag upstream; a failure leaves the intent for the sweep. To be called under the tag's lock. */
  async #give(registry: GateRegistry, hold: Hold): Promise<void> {
    const { ports } = this.#gate;
    const { path } = splitRepository(hold.repository);
    try {
      await this.#gate.artifacts.alsoImage(hold.repository, hold.digest);
      const answer = await registry.upstream.putManifest(
        path,
        hold.tag,
        hold.manifest,
        hold.mediaType,
        SERVICE,
      );
      if (answer.kind === 'relay') {
        // Upstream says no, not "later": tried again while the hold lasts, then given up.
        const over = hold.expiresAt <= ports.now().getTime();
        const what = over ? 'given up' : 'will try again';
        ports.log.warn(
          { hold: hold.id, status: answer.status },
          `upstream refused a promotion; ${what}`,
        );
        if (over) await this.expire(hold, 'promoting');
        return;
      }
      this.#gate.tags.forget(hold.repository, hold.tag);
      await this.#move(hold, 'promoting', 'promoted', promoted(hold));
    } catch (error) {
      ports.log.warn(
        { hold: hold.id, error: messageOf(error) },
        'promotion not finished; will try again',
      );
    }
  }

  /** Carries out an intent that a crash or a failure left behind, when it is the tag's turn. */
  replay(registry: GateRegistry, { id, repository, tag }: Hold): Promise<void> {
    return this.#gate.tagLocks.run(`${repository}\n${tag}`, () => this.#replayNow(registry, id));
  }

  /**
   * Carries out an intent that was left behind, unless the tag has gone on meanwhile or the image is
   * no longer trusted. To be called under the tag's lock.
   */
  async #replayNow(registry: GateRegistry, id: number): Promise<void> {
    const hold = await this.#gate.ports.store.hold(id);
    if (hold?.state !== 'promoting') return;
    const drop = (why: string): Promise<unknown> =>
      this.#move(hold, 'promoting', 'superseded', holdSuperseded(hold, why));
    if (await this.#laterWasGiven(hold)) {
      await drop('a later push of this tag was promoted');
      return;
    }
    const { repository, digest, tag } = hold;
    const question = {
      registry,
      repository,
      digest,
      tag,
      action: 'push',
      caller: SERVICE,
    } as const;
    const decision = await this.#gate.evaluator.judge(question);
    if (decision.reason.code === 'CANNOT_VERIFY') return;
    if (decision.decision === 'allow') await this.#give(registry, hold);
    else await drop('it is no longer trusted');
  }

  /** True where a later push of the tag was given, or is about to be. */
  async #laterWasGiven({ id, repository, tag }: Hold): Promise<boolean> {
    const states = ['promoted', 'promoting'] as const;
    return (await this.#gate.ports.store.holds({ repository, tag, states, after: id })).length > 0;
  }

  #move(
    hold: Hold,
    from: Hold['state'],
    to: Hold['state'],
    event: ReturnType<typeof promoted>,
  ): Promise<unknown> {
    return this.#gate.ports.store.commit([
      { kind: 'hold-move', id: hold.id, from, to },
      { kind: 'event', event },
    ]);
  }

  /** Drops a hold whose time is over; one that was taken up meanwhile stays. */
  async expire(hold: Hold, from: Hold['state']): Promise<void> {
    try {
      await this.#move(hold, from, 'expired', holdExpired(hold));
    } catch (error) {
      this.#gate.ports.log.warn({ hold: hold.id, error: messageOf(error) }, 'hold not expired');
    }
  }

  /**
   * Gives a tag by a trusted push. Where holds of the tag wait, the push takes its place in their
   * order with an intent of its own, so that none of them moves the tag back later, whatever crashes.
   * To be called under the tag's lock; `put` gives the tag and tells whether upstream took it.
   */
  async givenByPush<T extends { readonly kind: string }>(
    push: Omit<Hold, 'id' | 'state'>,
    decision: Decision,
    put: () => Promise<T>,
  ): Promise<T> {
    const { store } = this.#gate.ports;
    const { repository, tag } = push;
    const before = await store.holds({ repository, tag, states: ['waiting', 'promoting'] });
    if (before.length === 0) return put();
    const { holds } = await store.commit([{ kind: 'hold-add', hold: push, passing: true }]);
    const own = holds[0];
    if (own === undefined)
      throw new CountersignError('STORE_UNAVAILABLE', 'the store gave no hold back');
    await this.#move(
      own,
      'waiting',
      'promoting',
      promotionIntended(own, decision, push.pushedBy, randomUUID()),
    );
    const outcome = await put();
    if (outcome.kind !== 'created') {
      await this.#move(
        own,
        'promoting',
        'superseded',
        holdSuperseded(own, 'upstream refused the push'),
      );
      return outcome;
    }
    await this.#move(own, 'promoting', 'promoted', promoted(own));
    for (const hold of before.filter((one) => one.id !== own.id)) {
      await this.#move(
        hold,
        hold.state,
        'superseded',
        holdSuperseded(hold, 'a later trusted push gave the tag'),
      );
    }
    return outcome;
  }
}
