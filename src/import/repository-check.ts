import { sha256Hex } from '../lib/bytes.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import { parseEnvelope } from '../tuf/envelope.ts';
import type { TrustedRepository } from '../tuf/repository.ts';
import { verifyRepository } from '../tuf/repository.ts';
import { rootCertificateExpiry } from '../tuf/root-certificates.ts';
import type { SignedFields } from '../tuf/signed-fields.ts';
import { isVersion } from '../tuf/signed-fields.ts';
import { verifyChain } from './root-chain.ts';
import type { SourceFile } from './source.ts';

/** A repository of another server whose parts are signed and belong together. */
export interface CheckedRepository {
  readonly verified: TrustedRepository;
  /** Every version of every file, by role and version. */
  readonly files: readonly SourceFile[];
  /** When the first certificate of the newest root ends: from then on nobody accepts the repository. */
  readonly certificateEnds: Date;
  /** What has expired by now, and only its owner can sign anew. */
  readonly expired: readonly string[];
}

/**
 * Judges a repository before it is taken over (dct-protocol 6.4.3): hashes, the chain of its roots,
 * and its newest files from the timestamp down. Refuses with TRUST_DATA_INVALID and its kin.
 */
export function checkRepository(
  gun: string,
  given: readonly SourceFile[],
  now: Date,
): Result<CheckedRepository> {
  const sorted = sortFiles(given);
  if (!sorted.ok) return sorted;
  const files = sorted.value;
  const root = verifyChain(
    gun,
    files.filter((file) => file.role === 'root').map((file) => file.bytes),
  );
  if (!root.ok) return root;
  const certificateEnds = rootCertificateExpiry(root.value) ?? root.value.expires;
  if (certificateEnds <= now) {
    return refuse(
      'TRUST_DATA_EXPIRED',
      `the root certificate ended on ${dayOf(certificateEnds)}: no client accepts the repository, and its owner has to initialise it anew`,
    );
  }
  // The newest file of each role, as clients verify them. At rest a timestamp has expired that nobody
  // asked for, and so may have whatever its owner is to sign anew.
  const verified = verifyRepository({
    gun,
    now,
    root: root.value,
    files: new Map(files.map((file) => [file.role, file.bytes])),
    seen: new Map(),
    mayHaveExpired: 'all',
  });
  if (!verified.ok) return verified;
  return ok({
    verified: verified.value,
    files,
    certificateEnds,
    expired: expiredOf(verified.value, now),
  });
}

/** What only its owner can sign anew; timestamp and snapshot the server renews when somebody asks. */
function expiredOf({ root, tree }: TrustedRepository, now: Date): readonly string[] {
  const parts = new Map<string, SignedFields>([['root', root], ...tree.roles]);
  const late = [...parts].filter(([, part]) => part.expires <= now);
  return late.map(([role, part]) => `${role} expired on ${dayOf(part.expires)}`);
}

/** A day as reports name it. */
export function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
}

/** By role, then version. Refuses a file that is not what its row says. */
function sortFiles(files: readonly SourceFile[]): Result<readonly SourceFile[]> {
  const seen = new Set<string>();
  for (const { role, version, bytes, sha256 } of files) {
    const name = `${role} ${version}`;
    if (seen.has(name)) return refuse('TRUST_DATA_INVALID', `expected one ${name}, found two`);
    seen.add(name);
    if (sha256 !== null && sha256 !== sha256Hex(bytes)) {
      return refuse('TRUST_DATA_INVALID', `${name} is not what its SHA-256 says: it was changed`);
    }
    const envelope = parseEnvelope(bytes);
    if (!envelope.ok) return refuse(envelope.refusal.code, `${name}: ${envelope.refusal.message}`);
    const said = envelope.value.signed['version'];
    if (!isVersion(said) || said !== version) {
      return refuse('TRUST_DATA_INVALID', `${name} says of itself that it is another version`);
    }
  }
  return ok(
    files.toSorted((a, b) =>
      a.role === b.role ? a.version - b.version : a.role < b.role ? -1 : 1,
    ),
  );
}
