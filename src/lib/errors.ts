/**
 * The one table of errors: the HTTP status and OCI code that a client sees (OCI distribution-spec,
 * "Error Codes"), the exit status of the command line (0 done, 1 denied, 2 wrong usage, 3 could not
 * find out), and what the code means. `docs/errors.md` is generated from it.
 */
interface ErrorRow {
  readonly http: number;
  readonly exit: 1 | 2 | 3;
  /** The code in an OCI error body, where it differs from our own name. */
  readonly oci: string;
  readonly meaning: string;
}

const row = (http: number, exit: 1 | 2 | 3, oci: string, meaning: string): ErrorRow => ({
  http,
  exit,
  oci,
  meaning,
});

/** Every error by its code; `docs/errors.md` is made from it. */
export const ERRORS = {
  // trust
  NOT_TRUSTED: row(
    403,
    1,
    'DENIED',
    'No policy was satisfied: the image is not signed as required.',
  ),
  NO_POLICY: row(
    403,
    1,
    'DENIED',
    'No policy governs the repository; what no policy names is denied.',
  ),
  REVOKED: row(
    403,
    1,
    'DENIED',
    'Trust in the tag, digest or key was withdrawn by `countersign revoke`.',
  ),
  NOT_PINNED: row(
    403,
    1,
    'DENIED',
    'An image in Kubernetes is named without a digest: a node would resolve its tag again.',
  ),
  CANNOT_VERIFY: row(
    503,
    3,
    'UNAVAILABLE',
    'Evidence could not be read, so the image could not be judged.',
  ),
  // access
  UNAUTHENTICATED: row(
    401,
    1,
    'UNAUTHORIZED',
    'The request carries no identity, or a wrong password.',
  ),
  CANNOT_AUTHENTICATE: row(
    503,
    3,
    'UNAVAILABLE',
    'A password could not be checked now: too many logins at once.',
  ),
  FORBIDDEN: row(
    403,
    1,
    'DENIED',
    'The identity lacks the right to pull, push, delete or administer.',
  ),
  // what a client sends
  NAME_INVALID: row(400, 2, 'NAME_INVALID', 'A repository name is not one of the OCI grammar.'),
  TAG_INVALID: row(400, 2, 'TAG_INVALID', 'A tag is not one of the OCI grammar.'),
  DIGEST_INVALID: row(
    400,
    2,
    'DIGEST_INVALID',
    'A digest is malformed, of an unknown algorithm, or not that of the content.',
  ),
  REFERENCE_INVALID: row(400, 2, 'NAME_INVALID', 'An image reference could not be read.'),
  MANIFEST_INVALID: row(
    400,
    2,
    'MANIFEST_INVALID',
    'A manifest is not strict JSON of a known manifest type.',
  ),
  MANIFEST_TOO_LARGE: row(413, 2, 'SIZE_INVALID', 'A manifest is larger than 4 MiB.'),
  MANIFEST_UNKNOWN: row(404, 1, 'MANIFEST_UNKNOWN', 'The registry has no such manifest.'),
  MANIFEST_BLOB_UNKNOWN: row(
    400,
    2,
    'MANIFEST_BLOB_UNKNOWN',
    'A manifest names content that the registry does not have.',
  ),
  BLOB_UNKNOWN: row(404, 1, 'BLOB_UNKNOWN', 'The registry has no such blob.'),
  BLOB_UPLOAD_UNKNOWN: row(
    404,
    2,
    'BLOB_UPLOAD_UNKNOWN',
    'The upload session does not exist or has ended.',
  ),
  BLOB_UPLOAD_INVALID: row(400, 2, 'BLOB_UPLOAD_INVALID', 'An upload request is malformed.'),
  UPLOAD_BUSY: row(
    409,
    3,
    'BLOB_UPLOAD_INVALID',
    'Another request is writing to the same upload session.',
  ),
  TOO_MANY_UPLOADS: row(429, 3, 'TOOMANYREQUESTS', 'Too many uploads are open at once.'),
  RANGE_INVALID: row(
    416,
    2,
    'BLOB_UPLOAD_INVALID',
    'A range does not follow what was received, or lies outside the content.',
  ),
  SIZE_INVALID: row(400, 2, 'SIZE_INVALID', 'A length does not match the content.'),
  NAME_UNKNOWN: row(404, 1, 'NAME_UNKNOWN', 'The registry has no such repository.'),
  PAGINATION_INVALID: row(
    400,
    2,
    'PAGINATION_NUMBER_INVALID',
    'A page size or marker is not usable.',
  ),
  ARTIFACT_INVALID: row(
    400,
    2,
    'MANIFEST_INVALID',
    'Something pushed as a signature is not one for the named image.',
  ),
  PATH_INVALID: row(400, 2, 'NAME_INVALID', 'The path is not in its one canonical spelling.'),
  NOT_FOUND: row(404, 2, 'NAME_UNKNOWN', 'There is nothing at this path.'),
  METHOD_NOT_ALLOWED: row(405, 2, 'UNSUPPORTED', 'The method is not allowed here.'),
  WRONG_HOST: row(
    421,
    2,
    'UNSUPPORTED',
    'The Host header is not one that this service answers for.',
  ),
  UNSUPPORTED: row(405, 2, 'UNSUPPORTED', 'The operation is not supported.'),
  EXTENSION_UNKNOWN: row(
    404,
    2,
    'UNSUPPORTED',
    'Extensions of the distribution API are answered by no registry through the gate.',
  ),
  TOO_MANY_TAGS: row(414, 2, 'TAG_INVALID', 'One push names more tags than 10.'),
  TAGS_INCOMPLETE: row(
    503,
    3,
    'UNAVAILABLE',
    'Of the tags of one push some were given and others not; the same push again completes it.',
  ),
  REQUEST_INVALID: row(400, 2, 'UNSUPPORTED', 'A request body or query could not be read.'),
  JSON_INVALID: row(
    400,
    2,
    'MANIFEST_INVALID',
    'A document is not strict JSON: duplicate keys, trailing bytes, depth or encoding.',
  ),
  TOO_LARGE: row(413, 2, 'SIZE_INVALID', 'An input is larger than its bound.'),
  // the surroundings
  UPSTREAM_UNAVAILABLE: row(503, 3, 'UNAVAILABLE', 'The registry behind the gate did not answer.'),
  UPSTREAM_INVALID: row(
    502,
    3,
    'UNKNOWN',
    'The registry behind the gate answered something else than was asked for.',
  ),
  STORE_UNAVAILABLE: row(503, 3, 'UNAVAILABLE', 'The store could not be read or written.'),
  STORE_ROLLED_BACK: row(
    503,
    3,
    'UNAVAILABLE',
    'The database is older than the high-water file beside it.',
  ),
  STORE_CONFLICT: row(409, 3, 'UNKNOWN', 'The same idempotency key was used for another record.'),
  STORAGE_FULL: row(507, 3, 'UNAVAILABLE', 'The disk is full; nothing was changed.'),
  BUSY: row(503, 3, 'UNAVAILABLE', 'Too much is being sent at once; nothing was changed.'),
  INTERNAL: row(500, 3, 'UNKNOWN', 'An unexpected failure; the log has the details.'),
  // keys
  KEY_INVALID: row(400, 2, 'UNSUPPORTED', 'A key file could not be read as a key.'),
  KEY_WEAK: row(400, 2, 'UNSUPPORTED', 'A key is of a type or size that is not accepted.'),
  KEY_NOT_FOUND: row(404, 2, 'UNSUPPORTED', 'No key of that name is in the key store.'),
  KEY_EXISTS: row(409, 2, 'UNSUPPORTED', 'A key of that name is already there.'),
  KEY_FILE_EXPOSED: row(400, 2, 'UNSUPPORTED', 'A private key file can be read by others.'),
  PASSPHRASE_WRONG: row(400, 1, 'UNSUPPORTED', 'The passphrase does not open the key.'),
  PASSPHRASE_MISSING: row(
    400,
    2,
    'UNSUPPORTED',
    'A passphrase is needed and there is no terminal to ask on.',
  ),
  MASTER_KEY_INVALID: row(
    500,
    2,
    'UNAVAILABLE',
    'The master key is not 32 bytes in base64, or its file cannot be read.',
  ),
  MASTER_KEY_WRONG: row(
    503,
    3,
    'UNAVAILABLE',
    'The master key is not the one that the server keys are sealed under.',
  ),
  // Notary v1 metadata
  TRUST_DATA_INVALID: row(
    400,
    1,
    'UNSUPPORTED',
    'Notary v1 metadata is malformed, wrongly signed, or does not fit the rest of its repository.',
  ),
  TRUST_DATA_EXPIRED: row(400, 1, 'UNSUPPORTED', 'Notary v1 metadata has expired.'),
  TRUST_DATA_ROLLBACK: row(
    400,
    1,
    'UNSUPPORTED',
    'Notary v1 metadata is older than what was seen before.',
  ),
  ROOT_NOT_PINNED: row(
    400,
    1,
    'UNSUPPORTED',
    'Notary v1 metadata do not follow from the root that the repository is held to.',
  ),
  NO_TRUST_DATA: row(
    404,
    1,
    'UNSUPPORTED',
    'The trust server has no trust data for the repository.',
  ),
  NO_TRUST_SERVICE: row(404, 2, 'UNSUPPORTED', 'The server has no Notary v1 service.'),
  NO_SIGNING_KEY: row(
    403,
    1,
    'UNSUPPORTED',
    'None of the keys that may sign in the repository is in the key store.',
  ),
  TRUST_UPDATE_REFUSED: row(400, 1, 'UNSUPPORTED', 'The trust server refused new trust data.'),
  TRUST_UPDATE_CONFLICT: row(
    409,
    3,
    'UNSUPPORTED',
    'Others kept publishing to the same repository; nothing was changed.',
  ),
  // files a person writes
  POLICY_INVALID: row(400, 2, 'UNSUPPORTED', 'A policy file does not load.'),
  CONFIG_INVALID: row(400, 2, 'UNSUPPORTED', 'The configuration does not load.'),
  USAGE: row(400, 2, 'UNSUPPORTED', 'The command was used wrongly.'),
  SOURCE_INVALID: row(400, 2, 'UNSUPPORTED', 'An image source cannot be read or is damaged.'),
  IMPORT_UNREADABLE: row(
    400,
    3,
    'UNSUPPORTED',
    "Another trust server's database, dump or answers could not be read.",
  ),
  AMBIGUOUS: row(409, 2, 'UNSUPPORTED', 'A tag means several digests; name one with @sha256:….'),
  NOT_SIGNED_YET: row(409, 1, 'UNSUPPORTED', 'Nothing waits there to be signed.'),
} as const satisfies Record<string, ErrorRow>;

/** A code of the error table. */
export type ErrorCode = keyof typeof ERRORS;

/**
 * The one exception class. `message` is safe to show; `detail` is for the log only; `cause` is the
 * failure underneath.
 */
export class CountersignError extends Error {
  readonly code: ErrorCode;
  readonly detail: string | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; detail?: string } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CountersignError';
    this.code = code;
    this.detail = options.detail;
  }
}

/** The error's code where it is one of ours, else INTERNAL: an unknown failure is never a verdict. */
export function codeOf(error: unknown): ErrorCode {
  return error instanceof CountersignError ? error.code : 'INTERNAL';
}

/** A sentence for a person: our own message, or the system's for foreign errors. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
