import { describe, it } from 'vitest';
import { DISCOVERY } from './conformance/discovery.ts';
import { MANAGEMENT } from './conformance/management.ts';
import { PULL } from './conformance/pull.ts';
import { PUSH_BLOBS } from './conformance/push-blobs.ts';
import { PUSH_MANIFESTS } from './conformance/push-manifests.ts';
import { targetAt } from './conformance/target.ts';

const AREAS = {
  pull: PULL,
  'push of blobs': PUSH_BLOBS,
  'push of manifests': PUSH_MANIFESTS,
  'content discovery': DISCOVERY,
  'content management': MANAGEMENT,
};

/**
 * Checks what distribution-spec 1.1 demands of a registry, each row in a repository of its own, over
 * plain HTTP and without credentials. Rows whose title is in `knownToFail` must fail: the list stays true.
 */
export function describeConformance(
  url: () => string,
  knownToFail: ReadonlySet<string> = new Set(),
): void {
  const titles = Object.values(AREAS).flatMap((rows) => rows.map((row) => row.title));
  const unknown = [...knownToFail].filter((title) => !titles.includes(title));
  if (unknown.length > 0) throw new Error(`no such rows: ${unknown.join('; ')}`);
  for (const [area, rows] of Object.entries(AREAS)) {
    describe(`${area}`, () => {
      for (const row of rows) {
        const test = knownToFail.has(row.title) ? it.fails : it;
        test(row.title, async () => row.run(targetAt(url())));
      }
    });
  }
}
