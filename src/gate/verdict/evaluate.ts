import { SharedFlight } from '../../lib/shared-flight.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import { decide } from '../../policy/decide.ts';
import type { Action, Decision } from '../../policy/decision.ts';
import { askedOf, isSettled } from '../../policy/match.ts';
import type { Governing } from '../../policy/policy.ts';
import type { Finding } from '../../trust/format.ts';
import type { Caller } from '../access/caller.ts';
import { readerOf } from '../content/reader.ts';
import { revocationsInForce } from '../in-force/revocations.ts';
import type { GatePorts, GateRegistry } from '../ports.ts';
import { evidenceSource, rememberingPayloads, withTrustData } from './evidence.ts';
import { LastFindings } from './last-findings.ts';
import type { VerdictKey } from './verdicts.ts';
import { ALLOW_TTL, holdsForAll, keyText, standsOnTrouble, VerdictCache } from './verdicts.ts';

/** What is to be judged, for whom. */
export interface Question {
  readonly registry: GateRegistry;
  readonly repository: Repository;
  readonly digest: Digest;
  /** The tag asked for or to be given; `null` when asked by digest. */
  readonly tag: string | null;
  readonly action: Action;
  readonly caller: Caller;
}

/**
 * Takes decisions: the cached verdict, or evidence found, verified and given to `decide`. The gate,
 * the decision API and admission all come through here. Nothing is recorded here.
 */
export class Evaluator {
  readonly verdicts: VerdictCache;
  readonly #ports: GatePorts;
  readonly #flights = new SharedFlight<Decision>(holdsForAll);
  readonly #last: LastFindings;
  readonly #onAllow: (repository: Repository, digest: Digest) => Promise<void>;

  /** `onAllow` is told, and awaited, when evidence that was just read suffices. */
  constructor(
    ports: GatePorts,
    onAllow: (repository: Repository, digest: Digest) => Promise<void> = () => Promise.resolve(),
  ) {
    this.#ports = ports;
    this.#onAllow = onAllow;
    this.verdicts = new VerdictCache(ports.now);
    this.#last = new LastFindings(ports.now);
  }

  /** The policy in force for a repository. */
  govern(registry: GateRegistry, repository: Repository): Governing | null {
    return this.#ports.govern(repository, registry.aliases);
  }

  /**
   * Judges by the subject's own evidence. A failure to read evidence becomes a denial with
   * CANNOT_VERIFY, which is never cached. Throws only what is unexpected.
   */
  judge(question: Question): Promise<Decision> | Decision {
    const key = this.#key(question);
    const cached = this.verdicts.get(key);
    if (cached !== undefined) return cached;
    // Nobody joins a look that began before a signature arrived or went.
    const epoch = this.verdicts.epoch(key);
    return this.#flights.run(`${keyText(key)}\n${epoch}`, key.reader, () =>
      this.#judgeNow(question, key, epoch),
    );
  }

  /** The verdict that is remembered for a question; `undefined` where it would have to be taken. */
  remembered(question: Question): Decision | undefined {
    return this.verdicts.get(this.#key(question));
  }

  #key(question: Question): VerdictKey {
    return {
      action: question.action,
      repository: question.repository,
      digest: question.digest,
      tag: question.tag,
      policyRevision: this.#ports.policyRevision(),
      trustRevision: this.#ports.trust.revision(),
      reader: readerOf(question.registry, question.caller),
    };
  }

  async #judgeNow(question: Question, key: VerdictKey, epoch: number): Promise<Decision> {
    const governing = this.govern(question.registry, question.repository);
    // What no evidence can change is not worth a question to the registry, and holds while it is down.
    const first = this.#decide(governing, question, []);
    if (governing === null || isSettled(first)) {
      this.verdicts.set(key, first, epoch);
      return first;
    }
    // The evidence is the digest's, whichever tag it is asked by and whatever was revoked since: what
    // one allow stands on is judged anew for the next question. No question is asked by this key.
    const byDigest = { ...key, action: 'pull', tag: null, trustRevision: -1 } as const;
    const near = this.verdicts.find(byDigest);
    if (near?.decision.decision === 'allow') {
      const same = this.#decide(governing, question, near.decision.findings);
      if (same.decision === 'allow') {
        this.verdicts.set(key, same, epoch, near.usableUntil);
        return same;
      }
    }
    // From before the first look: a slow registry must not make what it said then count for longer.
    const end = this.#ports.now().getTime() + ALLOW_TTL;
    const findings = await this.#findings(governing, question);
    const decision = this.#decide(governing, question, findings);
    if (standsOnTrouble(decision)) {
      const last = this.#last.get(key, governing.policy.authGrace, epoch);
      return last === undefined ? decision : this.#decide(governing, question, last);
    }
    this.verdicts.set(key, decision, epoch, end);
    const pulled = this.#decide(governing, { ...question, action: 'pull', tag: null }, findings);
    if (pulled.decision === 'allow') this.verdicts.set(byDigest, pulled, epoch, end);
    if (holdsForAll(decision)) {
      this.#last.set(key, findings, epoch);
      await this.#onAllow(question.repository, question.digest);
    } else this.#last.delete(key);
    return decision;
  }

  #decide(governing: Governing | null, question: Question, findings: readonly Finding[]): Decision {
    const { action, repository, digest, tag } = question;
    const revocations = revocationsInForce(this.#ports);
    return decide(
      governing,
      { action, repository, digest, tag, revocations },
      findings,
      this.#ports.now(),
    );
  }

  async #findings(governing: Governing, question: Question): Promise<readonly Finding[]> {
    const asked = askedOf(governing, this.#ports.authorities(), this.#ports.verifiers);
    const { registry, repository, digest, tag, caller } = question;
    const content = rememberingPayloads(evidenceSource(registry, repository, caller));
    const source = withTrustData(content, this.#ports, repository);
    const subject = { repository, digest, tag };
    const found = await Promise.all(
      asked.verifiers.map((one) => one.verify(subject, source, asked.authorities)),
    );
    return found.flat();
  }
}
