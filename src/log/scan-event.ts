import type { JsonObject } from '../lib/json.ts';
import type { Repository } from '../oci/reference.ts';
import type { NewEvent } from '../store/store.ts';
import { event } from './event.ts';

/** What a scan counts: images by what would become of their pulls. */
export const SCAN_COUNTS = ['allowed', 'warned', 'refused', 'unknown', 'gone'] as const;
/** How many images had each of these outcomes. */
export type ScanCounts = Readonly<Record<(typeof SCAN_COUNTS)[number], number>>;

/**
 * `scan`: an administrator asked what would be decided on whole repositories, without a record of
 * each answer. The counts are the asker's own. `nonce` as for {@link decided}.
 */
export function scanned(
  scan: {
    /** Canonical names; `HOST/**` for all of a registry. */
    readonly repositories: readonly string[];
    readonly counts: ScanCounts;
    /** False where it was broken off. */
    readonly complete: boolean;
  },
  actor: string,
  nonce: string,
): NewEvent {
  const { repositories, counts, complete } = scan;
  const data: JsonObject = { repositories: [...repositories], counts: { ...counts }, complete };
  const [only, ...others] = repositories;
  const whole = only === undefined || only.endsWith('/**') || others.length > 0;
  const repository = whole ? null : (only as Repository);
  return event('dec', 'scan', { repository }, actor, data, [nonce]);
}
