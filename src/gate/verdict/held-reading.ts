import { shortDigest } from '../../oci/digest.ts';
import type { Decision } from '../../policy/decision.ts';
import type { GatePorts } from '../ports.ts';
import type { Evaluator, Question } from './evaluate.ts';

/**
 * The right to read what is held: an authenticated identity with push may read, by digest only, what
 * was pushed to the repository through the gate within `holdFor`, since signers read before they sign.
 */
export class HeldReading {
  readonly #ports: GatePorts;
  readonly #evaluator: Evaluator;

  constructor(ports: GatePorts, evaluator: Evaluator) {
    this.#ports = ports;
    this.#evaluator = evaluator;
  }

  /** An allow with HELD_READ, or `null` where the right does not reach. */
  async heldRead(question: Question, denied: Decision): Promise<Decision | null> {
    const { caller, repository, digest, registry } = question;
    if (question.tag !== null || !caller.authenticated) return null;
    if (!this.#ports.access.may(caller, 'push', repository)) return null;
    const policy = this.#evaluator.govern(registry, repository)?.policy;
    if (policy === undefined) return null;
    const pushed = await this.#ports.store.pushedAt(repository, digest);
    if (pushed === null || this.#ports.now().getTime() - pushed >= policy.holdFor) return null;
    const message = `${repository}@${shortDigest(digest)} read by ${caller.name}, who may push here, before it is signed`;
    return { ...denied, decision: 'allow', reason: { code: 'HELD_READ', message } };
  }
}
