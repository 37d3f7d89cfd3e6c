import { shortDigest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import { askedBy } from '../../policy/match.ts';
import type { Hold } from '../../store/store.ts';
import type { Gate } from '../gate.ts';
import type { GateRegistry } from '../ports.ts';

/** What docker's own command does with what is held: without `--local` it signs what was signed before. */
const DOCKER_SIGNS = 'docker trust sign --local (without --local it signs the old digest again)';
/** Docker signs what its own engine has: what podman pushed, or another machine, is signed by ours. */
const PULLER_SIGNS = `${DOCKER_SIGNS}, or countersign sign`;

/** A push that waits, or is about to. */
interface Waiting {
  readonly registry: GateRegistry;
  readonly hold: Pick<Hold, 'repository' | 'tag' | 'digest'>;
}

/** Tells who pulls a tag that waits for its signature what mends it, in one line (DESIGN 4.5). Never throws. */
export async function heldForPull(gate: Gate, waiting: Waiting): Promise<string> {
  const { repository, tag, digest } = waiting.hold;
  const name = `${repository}:${tag}`;
  const asks = asksDct(gate, waiting);
  if (asks && (await needsReset(gate, repository))) return `${name} is held${reset(repository)}`;
  return `${name} (${shortDigest(digest)}) is held until it is signed as its policy asks: ${asks ? PULLER_SIGNS : `countersign sign ${name}`}`;
}

/** Tells who pulls a tag that nobody signed in time what mends it. */
export function expiredForPull({
  repository,
  tag,
  digest,
  expiresAt,
}: Pick<Hold, 'repository' | 'tag' | 'digest' | 'expiresAt'>): string {
  const end = new Date(expiresAt).toISOString().slice(0, 16);
  return `${repository}:${tag} (${shortDigest(digest)}) was held, and was not signed before ${end}Z: push it again, and sign it`;
}

/** Tells who pushed what waits now what gives it its tag. Never throws. */
export async function heldForPush(gate: Gate, waiting: Waiting): Promise<string> {
  const { repository, tag, digest } = waiting.hold;
  const name = `${repository}:${tag}`;
  const asks = asksDct(gate, waiting);
  if (asks && (await needsReset(gate, repository))) return `${name} is held${reset(repository)}`;
  const docker = asks ? `; ${DOCKER_SIGNS}` : '';
  return `${name} is held until it is signed: countersign sign ${name}@${digest}${docker}`;
}

/** True where trust data can be what a held push waits for. */
function asksDct(gate: Gate, { registry, hold }: Waiting): boolean {
  const governing = gate.evaluator.govern(registry, hold.repository);
  return governing !== null && askedBy(governing).formats.includes('dct');
}

/**
 * True where the trust data were begun again, or went back: then nobody's signature in them counts before
 * an administrator's reset, and whoever signs once more waits for nothing.
 */
async function needsReset(gate: Gate, repository: Repository): Promise<boolean> {
  const data = await gate.ports.trustData(repository).catch(() => null);
  if (data === null || data.current.ok) return false;
  const { code } = data.current.refusal;
  return code === 'ROOT_NOT_PINNED' || code === 'TRUST_DATA_ROLLBACK';
}

// What mends it comes before why: clients show one line.
const reset = (repository: Repository): string =>
  `: nothing signed counts before an administrator's countersign root reset ${repository} (its trust data left the pinned root)`;
