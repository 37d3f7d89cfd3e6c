import { codeOf } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import { mapParallel } from '../../lib/parallel.ts';
import type { Digest } from '../../oci/digest.ts';
import { shortDigest } from '../../oci/digest.ts';
import { parseManifest } from '../../oci/manifest.ts';
import { concerns } from '../../policy/decide.ts';
import type { Decision } from '../../policy/decision.ts';
import type { Artifacts } from '../content/artifacts.ts';
import type { ManifestFetcher } from '../content/fetch.ts';
import type { Links } from '../content/links.ts';
import type { GatePorts } from '../ports.ts';
import type { Evaluator, Question } from './evaluate.ts';
import { ParentSearch } from './parent-search.ts';

/** Parents looked at on one level of the way up, and how many of them at a time. */
const LOOKED = 64;
const WIDTH = 8;

/** One step of the way up. */
interface Step {
  readonly parent: Digest;
  readonly child: Digest;
}

/** What a parent says: its own verdict, if it contains the child; `null` where that is not known. */
interface Looked {
  readonly parent: Digest;
  readonly contains: boolean | null;
  readonly verdict: Decision;
}

/**
 * Children of indexes: a digest asked for by itself is admitted while an index that contains it is
 * admitted in the same repository. The parent is judged each time, so the child falls with it.
 */
export class Children {
  readonly #ports: GatePorts;
  readonly #artifacts: Artifacts;
  readonly #links: Links;
  readonly #evaluator: Evaluator;
  readonly #fetcher: ManifestFetcher;
  readonly #search: ParentSearch;
  /** What indexes contain, by their hashed bytes. */
  readonly #contents = new WeakMap<Uint8Array, ReadonlySet<Digest>>();

  constructor(
    ports: GatePorts,
    artifacts: Artifacts,
    links: Links,
    evaluator: Evaluator,
    fetcher: ManifestFetcher,
  ) {
    this.#ports = ports;
    this.#artifacts = artifacts;
    this.#links = links;
    this.#evaluator = evaluator;
    this.#fetcher = fetcher;
    this.#search = new ParentSearch(ports.now, artifacts, fetcher);
  }

  /**
   * The allow that a digest inherits; a CANNOT_VERIFY denial where a parent could not be judged; or
   * `null` where nothing admits it. A manifest inherits from indexes only (`as: 'manifest'`): what an
   * image names as a layer or config is no manifest, though its bytes may look like one (T-37). A
   * blob inherits from whatever names it. A revocation of the digest itself is never inherited over.
   *
   * Level by level, so that each index is met on its shortest way up, once, however many ways lead to
   * it (T-69); and of more parents than are looked at, those that were admitted before come first, so
   * that nobody hides a true parent behind a heap of others.
   */
  async admittedBy(
    question: Question,
    depth: number,
    as: 'manifest' | 'blob' = 'manifest',
  ): Promise<Decision | null> {
    if (this.#revoked(question.repository, question.digest)) return null;
    const met = new Set<Digest>([question.digest]);
    let below: readonly Digest[] = [question.digest];
    let unsure: Decision | null = null;
    for (let level = 0; level < depth && below.length > 0; level++) {
      const steps = await this.#stepsUp(question, below, met);
      const next: Digest[] = [];
      for (let at = 0; at < steps.length; at += WIDTH) {
        const some = steps.slice(at, at + WIDTH);
        const kind = level === 0 ? as : 'manifest';
        const looked = await mapParallel(some, WIDTH, (step) => this.#look(question, step, kind));
        for (const { parent, contains, verdict } of looked) {
          if (contains === true && verdict.decision === 'allow')
            return this.#inherit(question, parent, verdict);
          if (contains === null || (contains && verdict.reason.code === 'CANNOT_VERIFY'))
            unsure ??= { ...unread(verdict, parent), subject: subjectOf(question) };
          if (contains === true && !this.#revoked(question.repository, parent)) next.push(parent);
        }
      }
      below = next;
    }
    return unsure;
  }

  /** As {@link admittedBy}, after a bounded look for parents among the repository's tagged indexes; `null` too where it was done lately. */
  async searched(question: Question): Promise<Decision | null> {
    const done = await this.#search.look(question);
    return done ? this.admittedBy(question, LIMITS.indexDepth) : null;
  }

  /** The parents of a level that were not met yet: of each child the first, then of each the second, and so on. */
  async #stepsUp(
    { repository }: Question,
    below: readonly Digest[],
    met: Set<Digest>,
  ): Promise<readonly Step[]> {
    const lists = await Promise.all(below.map((child) => this.#links.parents(repository, child)));
    const steps: Step[] = [];
    const longest = Math.max(...lists.map((list) => list.length));
    for (let rank = 0; rank < longest; rank++) {
      for (const [at, list] of lists.entries()) {
        const [parent, child] = [list[rank], below[at]];
        if (parent === undefined || child === undefined || met.has(parent)) continue;
        if (steps.length === LOOKED) return steps;
        met.add(parent);
        steps.push({ parent, child });
      }
    }
    return steps;
  }

  async #look(question: Question, step: Step, as: 'manifest' | 'blob'): Promise<Looked> {
    const { parent, child } = step;
    const asked = { ...question, digest: parent, tag: null };
    const [contains, verdict] = await Promise.all([
      this.#contains(asked, child, as),
      this.#evaluator.judge(asked),
    ]);
    return { parent, contains, verdict };
  }

  /** Whether the parent's own hashed bytes are an index that names the child; `null` where they cannot be had now. */
  async #contains(
    parent: Question,
    child: Digest,
    as: 'manifest' | 'blob',
  ): Promise<boolean | null> {
    const { registry, repository, digest, caller } = parent;
    // A list of referrers names whatever somebody pushed: it is nobody's parent, whoever signs it (T-60).
    if ((await this.#artifacts.known(repository, digest))?.only === true) return false;
    if (as === 'blob') return true;
    try {
      const grace = this.#evaluator.govern(registry, repository)?.policy.authGrace ?? 0;
      const answer = await this.#fetcher.fetch(registry, repository, digest, caller, grace);
      if (answer.kind === 'found') return this.#contentsOf(answer).has(child);
      return answer.kind === 'absent' ? false : null;
    } catch (error) {
      // What two readers could read differently contains nothing; the rest is trouble (T-57).
      return ['MANIFEST_INVALID', 'JSON_INVALID'].includes(codeOf(error)) ? false : null;
    }
  }

  #contentsOf(index: {
    readonly bytes: Uint8Array;
    readonly mediaType: string;
  }): ReadonlySet<Digest> {
    const known = this.#contents.get(index.bytes);
    if (known !== undefined) return known;
    const parsed = parseManifest(index.bytes, index.mediaType);
    const children = parsed.ok && parsed.value.kind === 'index' ? parsed.value.manifests : [];
    const contents = new Set(children.map((one) => one.digest));
    this.#contents.set(index.bytes, contents);
    return contents;
  }

  async #inherit(question: Question, parent: Digest, verdict: Decision): Promise<Decision> {
    const { repository, digest } = question;
    await this.#links.admitted(repository, digest);
    const message = `${repository}@${shortDigest(digest)} is part of ${shortDigest(parent)}: ${verdict.reason.message}`;
    return {
      ...verdict,
      subject: subjectOf(question),
      reason: { code: 'CHILD', message: message.slice(0, 180) },
    };
  }

  #revoked(repository: Question['repository'], digest: Digest): boolean {
    const subject = { repository, digest, tag: null };
    return this.#ports.trust.revocations().some((one) => concerns(one, subject));
  }
}

function subjectOf(question: Question): Decision['subject'] {
  const { action, repository, digest, tag } = question;
  return { action, repository, digest, tag };
}

/** The denial for what may be part of a parent that could not be read or judged. */
function unread(verdict: Decision, parent: Digest): Decision {
  if (verdict.reason.code === 'CANNOT_VERIFY') return verdict;
  const message = `${verdict.subject.repository}@${shortDigest(parent)}, an index that may contain it, could not be read`;
  return { ...verdict, decision: 'deny', reason: { code: 'CANNOT_VERIFY', message } };
}
