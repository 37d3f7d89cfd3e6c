import { SingleFlight } from '../lib/single-flight.ts';
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import { decide } from '../policy/decide.ts';
import type { Action, Decision } from '../policy/decision.ts';
import { askedBy } from '../policy/match.ts';
import type { Governing } from '../policy/policy.ts';
import type { Finding } from '../trust/format.ts';
import type { Caller } from './caller.ts';
import { evidenceSource } from './evidence.ts';
import type { GatePorts, GateRegistry } from './ports.ts';
import { VerdictCache } from './verdicts.ts';
import type { VerdictKey } from './verdicts.ts';

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
  readonly #flights = new SingleFlight<Decision>();

  constructor(ports: GatePorts) {
    this.#ports = ports;
    this.verdicts = new VerdictCache(ports.now);
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
    // Evidence is read with the caller's rights, so only callers with the same credential share a look.
    const flight = `${question.caller.credentialKey}\n${key.repository}\n${key.digest}\n${key.tag ?? ''}\n${key.action}\n${key.policyRevision}\n${key.trustRevision}`;
    return this.#flights.run(flight, () => this.#judgeNow(question, key));
  }

  #key(question: Question): VerdictKey {
    return {
      action: question.action,
      repository: question.repository,
      digest: question.digest,
      tag: question.tag,
      policyRevision: this.#ports.policyRevision(),
      trustRevision: this.#ports.trust.revision(),
    };
  }

  async #judgeNow(question: Question, key: VerdictKey): Promise<Decision> {
    const epoch = this.verdicts.epoch();
    const governing = this.govern(question.registry, question.repository);
    // What no evidence can change is not worth a question to the registry, and holds while it is down.
    const first = this.#decide(governing, question, []);
    const settled = ['REVOKED', 'NO_POLICY', 'OFF', 'EXCEPTION'].includes(first.reason.code);
    const findings = settled || governing === null ? [] : await this.#findings(governing, question);
    const decision = settled ? first : this.#decide(governing, question, findings);
    if (decision.reason.code === 'CANNOT_VERIFY') {
      return this.verdicts.lastAllow(key, governing?.policy.authGrace ?? 0) ?? decision;
    }
    this.verdicts.set(key, decision, epoch);
    return decision;
  }

  #decide(governing: Governing | null, question: Question, findings: readonly Finding[]): Decision {
    const { action, repository, digest, tag } = question;
    const revocations = this.#ports.trust.revocations();
    return decide(
      governing,
      { action, repository, digest, tag, revocations },
      findings,
      this.#ports.now(),
    );
  }

  async #findings(governing: Governing, question: Question): Promise<readonly Finding[]> {
    const asked = askedBy(governing);
    const names = new Set(asked.authorities);
    const wanted = new Set(asked.formats);
    const authorities = this.#ports.authorities().filter((authority) => names.has(authority.name));
    const source = evidenceSource(question.registry, question.repository, question.caller);
    const subject = { repository: question.repository, digest: question.digest };
    const found = await Promise.all(
      this.#ports.formats
        .filter((format) => wanted.has(format.name))
        .map((format) => format.verify(subject, source, authorities)),
    );
    return found.flat();
  }
}
