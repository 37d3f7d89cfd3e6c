import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, messageOf } from '../../../src/lib/errors.ts';
import { eachParallel } from '../../../src/lib/parallel.ts';
import type { Repository } from '../../../src/oci/reference.ts';
import { formatReference } from '../../../src/oci/reference.ts';
import type { Counting } from '../../counting.ts';
import type { Journal } from './journal.ts';
import type { Judge } from './judge.ts';
import { isForbidden, isOfRepository } from './listing.ts';
import { Patience } from './patience.ts';
import type { Problem } from './tally.ts';
import type { Judged, Tagged } from './verdict.ts';

const WIDTH = 8;
/** Tries of an image that could not be judged, and the pause between them in ms, growing. */
const TRIES = 3;
const PAUSE = 500;
/** How often all is judged again because policies changed meanwhile. */
const PASSES = 3;

/** What judging works with. */
export interface JudgingPorts {
  readonly judge: Judge;
  readonly journal: Journal | null;
  readonly counting: Counting;
  readonly signal: AbortSignal;
  /** Told when policies or revocations changed while the scan ran, and so many are judged again. */
  readonly onChanged: (count: number) => void;
}

/**
 * Judges images, many at a time, into `results`: what stands there already is not asked again unless
 * it was judged by other policies or revocations than the last, so that the whole is of one piece.
 */
export class Judging {
  readonly results = new Map<string, Judged>();
  readonly #ports: JudgingPorts;
  readonly #patience = new Patience('the same command with --resume goes on');
  readonly #forbidden = new Map<Repository, { tags: number; code: string; message: string }>();
  #basis = '';
  #bad = 0;

  constructor(ports: JudgingPorts) {
    this.#ports = ports;
  }

  /** The repositories that were not the caller's to judge. */
  problems(): readonly Problem[] {
    return [...this.#forbidden].map(([repository, problem]) => ({ repository, ...problem }));
  }

  /** Takes over what an earlier run has judged. */
  takeOver(judged: Judged): void {
    this.results.set(judged.image, judged);
    this.#count(judged, 1);
  }

  /** Judges all that is not judged yet. Throws what is wrong with the whole: an abort, no service, too many failures. */
  async run(images: () => Iterable<Tagged>): Promise<void> {
    await this.#pass(missing(images(), this.results));
    for (let pass = 1; pass < PASSES; pass++) {
      const old = [...images()].filter((image) => this.#isOld(image));
      if (old.length === 0) return;
      this.#ports.onChanged(old.length);
      await this.#pass(old);
    }
  }

  #isOld(image: Tagged): boolean {
    const judged = this.results.get(formatReference(image));
    return judged !== undefined && judged.basis !== '' && judged.basis !== this.#basis;
  }

  async #pass(images: Iterable<Tagged>): Promise<void> {
    await eachParallel(images, WIDTH, async (image) => {
      const known = this.#forbidden.get(image.repository);
      if (known !== undefined) {
        known.tags++;
        return;
      }
      const judged = await this.#patiently(image);
      if (judged === null) return;
      const before = this.results.get(judged.image);
      this.results.set(judged.image, judged);
      if (before !== undefined) this.#count(before, -1);
      this.#count(judged, 1);
      if (judged.basis !== '') this.#basis = judged.basis;
      if (isOpen(judged)) this.#patience.failed(judged.message);
      else if (judged.verdict !== 'unknown') {
        this.#patience.well();
        this.#ports.journal?.add(judged);
      }
      if (before === undefined) this.#ports.counting.step(`${this.#bad} would be refused`);
    });
  }

  /** `null` where the caller may not ask about the repository at all. */
  async #patiently(image: Tagged): Promise<Judged | null> {
    for (let tries = 1; ; tries++) {
      const judged = await this.#once(image);
      if (judged === null || !isOpen(judged) || tries === TRIES) return judged;
      await sleep(PAUSE * tries, undefined, { signal: this.#ports.signal });
    }
  }

  async #once(image: Tagged): Promise<Judged | null> {
    try {
      return await this.#ports.judge(image);
    } catch (error) {
      if (this.#ports.signal.aborted) throw error;
      const code = codeOf(error);
      const message = messageOf(error);
      const open = { image: formatReference(image), digest: null, policy: null, code, message };
      if (code === 'MANIFEST_UNKNOWN' || code === 'NAME_UNKNOWN')
        return { ...open, verdict: 'gone', basis: '' };
      if (!isOfRepository(error)) throw error;
      if (!isForbidden(error)) return { ...open, verdict: 'unknown', basis: '' };
      const problem = this.#forbidden.get(image.repository) ?? { tags: 0, code, message };
      problem.tags++;
      this.#forbidden.set(image.repository, problem);
      return null;
    }
  }

  #count({ verdict }: Judged, by: 1 | -1): void {
    if (verdict === 'refused' || verdict === 'warned') this.#bad += by;
  }
}

/** True where another try may find out; a refusal to show the image stays one. */
function isOpen({ verdict, code }: Judged): boolean {
  return verdict === 'unknown' && code !== 'FORBIDDEN';
}

function* missing(
  images: Iterable<Tagged>,
  results: ReadonlyMap<string, Judged>,
): Generator<Tagged> {
  for (const image of images) if (!results.has(formatReference(image))) yield image;
}
