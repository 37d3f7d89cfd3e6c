import type { Caller } from '../gate/access/caller.ts';
import type { Refused } from '../gate/outcome.ts';
import { refusedByFailure } from '../gate/outcome.ts';
import type { GateRegistry } from '../gate/ports.ts';
import type { Resolved } from '../gate/pull/resolve.ts';
import { resolveTag } from '../gate/pull/resolve.ts';
import type { ErrorCode } from '../lib/errors.ts';
import { codeOf } from '../lib/errors.ts';
import type { Repository } from '../oci/reference.ts';
import type { Decision } from '../policy/decision.ts';
import type { AdmissionPorts } from './ports.ts';
import { noCredentials } from './verdict.ts';

/** One image of a review, as written there, and on whose behalf it is asked about. */
export interface AskedImage {
  readonly image: string;
  readonly caller: Caller;
  /** True where nothing may be written down. */
  readonly dryRun: boolean;
  /** True once the answer can no longer be used. */
  readonly expired: () => boolean;
}

/** Where an image is looked for. */
export interface Place {
  readonly registry: GateRegistry;
  readonly repository: Repository;
  readonly caller: Caller;
}

/** Failures of the registry behind the gate; anything else that goes wrong is thrown on. */
const UPSTREAM: readonly ErrorCode[] = ['UPSTREAM_UNAVAILABLE', 'UPSTREAM_INVALID'];

/** What a tag means, by the gate's own resolver, or why that cannot be said. Rejects for what is not upstream's failure. */
export async function lookUp(
  { gate }: AdmissionPorts,
  place: Place,
  tag: string,
): Promise<Resolved | Refused> {
  try {
    const found = await resolveTag(gate, place, tag);
    return found.kind === 'relay' ? noCredentials(place.repository, found) : found;
  } catch (error) {
    if (!UPSTREAM.includes(codeOf(error))) throw error;
    const { code, message } = refusedByFailure(error);
    return { kind: 'refused', code, message: `${place.repository}:${tag}: ${message}` };
  }
}

/** Records a decision before it is answered, and gives its number; nothing for a dry run or a caller that is gone. */
export async function recordOf(
  { gate }: AdmissionPorts,
  decision: Decision,
  { caller, dryRun, expired }: AskedImage,
): Promise<number | null> {
  return dryRun || expired() ? null : gate.recording.record(decision, caller);
}
