import { randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { CountersignError } from '../../lib/errors.ts';
import { SingleFlight } from '../../lib/single-flight.ts';
import { shortDigest } from '../../oci/digest.ts';
import { decide } from '../../policy/decide.ts';
import type { Decision } from '../../policy/decision.ts';
import { askedBy } from '../../policy/match.ts';
import type { Gate } from '../gate.ts';
import { revocationsInForce } from '../in-force/revocations.ts';
import type { Refused } from '../outcome.ts';
import { refused, refusedByFailure } from '../outcome.ts';
import { judgePull } from '../pull/judge.ts';
import type { Relayed } from '../upstream/upstream.ts';
import type { Question } from '../verdict/evaluate.ts';
import type { ImageQuestion } from './decide-image.ts';
import { meantBy } from './decide-image.ts';
import { isMalformed, learnContent } from './learn-content.ts';

/** A question of somebody who takes stock. */
export interface SurveyQuestion extends ImageQuestion {
  /** The asker's own name for what it is doing: answers under one name may share evidence; `null` shares none. */
  readonly survey: string | null;
}

/** What the gate would decide, for somebody who takes stock. */
export interface Surveyed {
  readonly kind: 'surveyed';
  readonly decision: Decision;
  /** How many manifests the image contains: 0 for anything but an index. */
  readonly contains: number;
  /** Stands for the policies and the revocations that it was judged by: equal where they are the same. */
  readonly basis: string;
}

/** A whole registry is asked tag by tag, and many tags name one digest. */
const REMEMBERED = 10_000;
const REMEMBER_MS = 600_000;

/** What was found out about a digest. */
interface Known {
  readonly findings: Decision['findings'];
  readonly content: Content;
}

/** How much an image contains, or why the gate would not serve it whoever signed it. */
type Content = number | CountersignError;

/**
 * Answers what the gate would decide on pulls, many times over: nothing is recorded or counted as a
 * refusal, the evidence of a digest is read once for all of its tags, and what an index contains is
 * learned, so that its children are admitted by digest from then on, whoever is the first to ask.
 */
export class Survey {
  readonly #gate: Gate;
  readonly #looks = new SingleFlight<Known | Relayed>();
  readonly #known = new LRUCache<string, Known>({ max: REMEMBERED, ttl: REMEMBER_MS });

  constructor(gate: Gate) {
    this.#gate = gate;
  }

  /** Judges one image for a caller who may administer its repository, and pull from it. Never throws. */
  async image(question: SurveyQuestion): Promise<Surveyed | Refused | Relayed> {
    const { registry, repository, caller, survey } = question;
    const { ports } = this.#gate;
    try {
      if (!ports.access.may(caller, 'admin', repository)) {
        const why = `${caller.name} may not ask about ${repository} without a record; that needs admin`;
        return refused('FORBIDDEN', why);
      }
      const forbidden = this.#gate.authoriser.check(caller, 'pull', repository);
      if (forbidden !== null) return forbidden;
      const named = await meantBy(this.#gate, question);
      if (named.kind !== 'digest') return named;
      const { digest, tag } = named;
      const basis = `${ports.policyRevision()}.${ports.trust.revision()}`;
      const asked = { registry, repository, digest, tag, action: 'pull', caller } as const;
      // What the map says of a tag is told with the tag.
      const governing = this.#gate.evaluator.govern(registry, repository);
      const bound = tag !== null && governing !== null && askedBy(governing).bindsTag;
      const look = await this.#look(asked, `${basis}\n${survey ?? randomUUID()}`);
      if ('kind' in look) return look;
      // Else a tag is judged by what was found for its digest.
      const decision =
        tag === null || bound
          ? await judgePull(this.#gate, asked)
          : this.#decide(asked, look.findings);
      return typeof look.content === 'number'
        ? { kind: 'surveyed', decision, contains: look.content, basis }
        : { kind: 'surveyed', decision: unservable(decision, look.content), contains: 0, basis };
    } catch (error) {
      this.#gate.ports.log.warn({ repository, error }, 'survey failed');
      return refusedByFailure(error);
    }
  }

  /** Reads a digest's evidence and content, once for all who ask in the same survey. */
  async #look(asked: Question, survey: string): Promise<Known | Relayed> {
    const { repository, digest, caller } = asked;
    // None of the parts can contain a newline.
    const key = `${repository}\n${digest}\n${caller.credentialKey}\n${survey}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    return this.#looks.run(key, async () => {
      const { findings } = await this.#gate.evaluator.judge({ ...asked, tag: null });
      const content = await this.#learn(asked);
      if (typeof content === 'object' && 'kind' in content) return content;
      const look = { findings, content };
      // What could not be read is asked for again: trouble is nothing to remember (T-57).
      if (findings.every((one) => one.status !== 'inconclusive')) this.#known.set(key, look);
      return look;
    });
  }

  #decide({ registry, repository, digest, tag }: Question, findings: Known['findings']): Decision {
    const { evaluator, ports } = this.#gate;
    const revocations = revocationsInForce(ports);
    const subject = { action: 'pull', repository, digest, tag, revocations } as const;
    return decide(evaluator.govern(registry, repository), subject, findings, ports.now());
  }

  async #learn(asked: Question): Promise<Content | Relayed> {
    try {
      return await learnContent(this.#gate, asked);
    } catch (error) {
      if (isMalformed(error)) return error;
      throw error;
    }
  }
}

function unservable(decision: Decision, error: CountersignError): Decision {
  const { repository, tag, digest } = decision.subject;
  const name = tag === null ? repository : `${repository}:${tag}`;
  const message = `${name} (${shortDigest(digest)}) cannot be served: ${error.message}`;
  return {
    ...decision,
    decision: 'deny',
    reason: { code: error.code, message: message.slice(0, 180) },
  };
}
