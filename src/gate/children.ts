import { LRUCache } from 'lru-cache';
import { CountersignError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { SingleFlight } from '../lib/single-flight.ts';
import type { Digest } from '../oci/digest.ts';
import { shortDigest } from '../oci/digest.ts';
import { parseManifest } from '../oci/manifest.ts';
import { splitRepository } from '../oci/reference.ts';
import { concerns } from '../policy/decide.ts';
import type { Decision } from '../policy/decision.ts';
import type { Artifacts } from './artifacts.ts';
import type { Evaluator, Question } from './evaluate.ts';
import type { ManifestFetcher } from './fetch.ts';
import type { Links } from './links.ts';
import type { GatePorts } from './ports.ts';

/** Bounds of the search for an unknown child's parent: tags looked at, and how often per repository (ms). */
const SEARCH_TAGS = 50;
const SEARCH_EVERY = 30_000;

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
  readonly #searches = new SingleFlight<void>();
  readonly #searched = new LRUCache<string, number>({ max: 10_000 });

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
  }

  /**
   * The allow that a digest inherits; a CANNOT_VERIFY denial where a parent could not be judged; or
   * `null` where nothing admits it. A manifest inherits from indexes only (`as: 'manifest'`): what an
   * image names as a layer or config is no manifest, though its bytes may look like one (T-37). A
   * blob inherits from whatever names it. A revocation of the digest itself is never inherited over.
   */
  async admittedBy(
    question: Question,
    depth: number,
    as: 'manifest' | 'blob' = 'manifest',
    looked: Set<Digest> = new Set(),
  ): Promise<Decision | null> {
    const parents = await this.#links.parents(question.repository, question.digest);
    if (parents.length === 0 || depth === 0 || this.#revoked(question)) return null;
    let unsure: Decision | null = null;
    for (const digest of parents) {
      // Many ways may lead to one index: each is looked at once, or a few pushes would make millions.
      if (looked.has(digest)) continue;
      looked.add(digest);
      // A list of referrers names whatever somebody pushed: it is nobody's parent, whoever signs it (T-60).
      if ((await this.#artifacts.known(question.repository, digest))?.only === true) continue;
      const parent = { ...question, digest, tag: null };
      if (as === 'manifest' && !(await this.#isIndexOf(parent, question.digest))) continue;
      const own = await this.#evaluator.judge(parent);
      const verdict =
        own.decision === 'allow'
          ? own
          : ((await this.admittedBy(parent, depth - 1, 'manifest', looked)) ?? own);
      if (verdict.decision === 'allow') return inherit(question, digest, verdict);
      if (verdict.reason.code === 'CANNOT_VERIFY')
        unsure = { ...verdict, subject: subjectOf(question) };
    }
    return unsure;
  }

  /** True where the parent's own hashed bytes are an index that names the child. Throws where they cannot be had. */
  async #isIndexOf(parent: Question, child: Digest): Promise<boolean> {
    const { registry, repository, digest, caller } = parent;
    const answer = await this.#fetcher.fetch(registry, repository, digest, caller);
    if (answer.kind === 'relay') {
      throw new CountersignError(
        'UPSTREAM_UNAVAILABLE',
        `the registry answered ${answer.status} when asked for an index`,
      );
    }
    if (answer.kind === 'absent') return false;
    const parsed = parseManifest(answer.bytes, answer.mediaType);
    return (
      parsed.ok &&
      parsed.value.kind === 'index' &&
      parsed.value.manifests.some((one) => one.digest === child)
    );
  }

  /** Looks for parents among the repository's tagged indexes, bounded, and judges again. */
  async searched(question: Question): Promise<Decision | null> {
    const now = this.#ports.now().getTime();
    const last = this.#searched.get(question.repository);
    if (last !== undefined && now - last < SEARCH_EVERY) return null;
    await this.#searches.run(question.repository, async () => {
      await this.#learnTagged(question);
      this.#searched.set(question.repository, now);
    });
    return this.admittedBy(question, LIMITS.indexDepth);
  }

  async #learnTagged(question: Question): Promise<void> {
    const { registry, repository, caller } = question;
    const { path } = splitRepository(repository);
    for (const tag of await registry.upstream.tags(path, SEARCH_TAGS, caller)) {
      if (this.#artifacts.tagged(tag) !== null) continue;
      const head = await registry.upstream.head(path, tag, caller);
      if (head.kind !== 'found') continue;
      // Fetching learns the links; what cannot be parsed has no children.
      await this.#fetcher.fetch(registry, repository, head.digest, caller).catch(() => null);
    }
  }

  #revoked(question: Question): boolean {
    return this.#ports.trust.revocations().some((one) => concerns(one, question));
  }
}

function subjectOf(question: Question): Decision['subject'] {
  const { action, repository, digest, tag } = question;
  return { action, repository, digest, tag };
}

function inherit(question: Question, parent: Digest, verdict: Decision): Decision {
  const message = `${question.repository}@${shortDigest(question.digest)} is part of ${shortDigest(parent)}: ${verdict.reason.message}`;
  return {
    ...verdict,
    subject: subjectOf(question),
    reason: { code: 'CHILD', message: message.slice(0, 180) },
  };
}
