import type { SingleBar } from 'cli-progress';
import { MultiBar } from 'cli-progress';
import { shortDigest } from '../src/oci/digest.ts';
import type { Descriptor } from '../src/oci/manifest.ts';
import type { UploadEvent } from '../src/oci/upload.ts';
import type { Output } from './output.ts';

/** Shows an upload to a person. */
export interface Progress {
  readonly onEvent: (event: UploadEvent) => void;
  /** Ends the drawing; whatever is printed next stands below it. */
  end(): void;
}

/** Bars where a person watches a terminal, else one plain line when a blob is done. */
export function showProgress(output: Output): Progress {
  return output.interactive ? drawBars() : printLines(output);
}

const DONE: Readonly<Record<string, string>> = {
  found: 'already there',
  mounted: 'mounted from another repository',
  uploaded: 'uploaded',
};

function printLines(output: Output): Progress {
  return {
    onEvent(event) {
      const done = DONE[event.kind];
      if (done !== undefined) output.note(`${nameOf(event.blob)}: ${done}`);
    },
    end() {},
  };
}

function drawBars(): Progress {
  const bars = new Map<string, SingleBar>();
  let ended = false;
  const all = new MultiBar({
    format: '{name} [{bar}] {percentage}% {state}',
    stream: process.stderr,
    hideCursor: null,
    clearOnComplete: false,
    // Ctrl-C is the command's own affair: it cleans up first.
    gracefulExit: false,
    barsize: 24,
    fps: 10,
    linewrap: true,
  });
  const barOf = (blob: Descriptor): SingleBar => {
    const known = bars.get(blob.digest);
    if (known !== undefined) return known;
    // An empty blob has no share that could be drawn.
    const made = all.create(Math.max(blob.size, 1), 0, { name: nameOf(blob), state: 'waiting' });
    bars.set(blob.digest, made);
    return made;
  };
  return {
    onEvent(event) {
      const bar = barOf(event.blob);
      const done = DONE[event.kind];
      if (done !== undefined) bar.update(Math.max(event.blob.size, 1), { state: done });
      else if (event.kind === 'sent') bar.update(event.bytes, { state: 'uploading' });
    },
    end() {
      // Stopping twice would draw the bars twice.
      if (!ended) all.stop();
      ended = true;
    },
  };
}

function nameOf(blob: Descriptor): string {
  return `${shortDigest(blob.digest)} ${formatSize(blob.size).padStart(8)}`;
}

/** Bytes as people read them: `217 B`, `3.4 kB`, `1.2 GB` (powers of 1000, as docker shows them). */
export function formatSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? ''}`;
}
