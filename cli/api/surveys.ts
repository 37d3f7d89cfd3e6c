import type { RegistryClient } from '../../src/oci/client.ts';
import type { Reference } from '../../src/oci/reference.ts';
import { formatReference } from '../../src/oci/reference.ts';
import { printable } from '../../src/oci/refusal.ts';
import { apiObject, malformed, textOf } from './answer.ts';
import type { ShownDecision } from './decisions.ts';
import { readDecision } from './decisions.ts';

/** A decision that nobody recorded. */
export interface Surveyed {
  readonly decision: ShownDecision;
  /** Equal for decisions by the same policies and revocations. */
  readonly basis: string;
}

/** A recorded scan, as `POST /api/v1/scans` takes it. */
export interface ScanReport {
  readonly repositories: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
  readonly complete: boolean;
}

/**
 * Asks the Countersign that the client talks to what it would decide on a pull, without a record,
 * which needs admin there. It is asked again while it is busy. `null` where no Countersign serves the
 * host. Throws MANIFEST_UNKNOWN where there is no such image, FORBIDDEN without the right, and what
 * the client throws.
 */
export async function askSurvey(
  client: RegistryClient,
  image: Pick<Reference, 'repository' | 'tag' | 'digest'>,
  survey: string,
): Promise<Surveyed | null> {
  const question = { image: formatReference(image), action: 'pull', record: false, survey };
  const body = apiObject(await client.api('POST', '/api/v1/decisions', question, true));
  if (body === null) return null;
  const basis = textOf(body['basis']);
  if (basis === '') throw malformed('what the decision is based on');
  return { decision: readDecision(body), basis: printable(basis) };
}

/** Has one event recorded for a whole scan; returns its number. Throws as {@link askSurvey} does. */
export async function recordScan(client: RegistryClient, scan: ScanReport): Promise<number> {
  const { repositories, counts, complete } = scan;
  const report = { repositories: [...repositories], counts: { ...counts }, complete };
  const body = apiObject(await client.api('POST', '/api/v1/scans', report));
  const record = body?.['record'];
  if (typeof record !== 'number') throw malformed('the number of a record');
  return record;
}
