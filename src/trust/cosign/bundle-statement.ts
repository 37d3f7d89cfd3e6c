import type { Json } from '../../lib/json.ts';
import { isArray, isObject, parseJson } from '../../lib/json.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';
import type { Digest } from '../../oci/digest.ts';
import { isDigest } from '../../oci/digest.ts';
import type { Reference } from '../../oci/reference.ts';
import type { Finding } from '../format.ts';
import { parseSignedName, REFERENCE_ANNOTATION } from '../signed-name.ts';
import { strictMembers } from '../strict-members.ts';
import { SIGN_PREDICATE } from './names.ts';

const TYPES: readonly Json[] = [
  'https://in-toto.io/Statement/v0.1',
  'https://in-toto.io/Statement/v1',
];
const DOCUMENT = 'statement';

/** What the statement in a bundle claims. */
export interface Statement {
  readonly digest: Digest;
  /** What it names; `null` where it names no repository, as cosign's do of themselves. */
  readonly signed: Finding['signed'];
  /** What the signer gave with `-a`. */
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * Reads cosign's statement "this image is signed" (in-toto attestation spec, "Statement" v0.1 and v1)
 * about exactly one subject. Any other predicateType is an attestation, and an attestation of
 * whatever kind is no signature (T-09; cosign 3 itself does not look). Refused with ARTIFACT_INVALID:
 * that, members by other names, duplicate keys, trailing bytes, more than 64 KiB. To be called on
 * bytes whose signature was verified; nothing in the statement is trusted before that.
 */
export function parseStatement(bytes: Uint8Array): Result<Statement> {
  const parsed = parseJson(bytes, { maxBytes: LIMITS.payloadBytes, maxDepth: 8 });
  if (!parsed.ok) return invalid(parsed.refusal.message);
  // First, and by itself: what an attestation says besides is nobody's business here.
  const type = isObject(parsed.value) ? parsed.value['predicateType'] : undefined;
  if (typeof type === 'string' && type !== SIGN_PREDICATE)
    return invalid(`an attestation (${type.slice(0, 80)}) is no signature`);
  const root = strictMembers(
    parsed.value,
    { needed: ['_type', 'subject', 'predicateType'], optional: ['predicate'] },
    DOCUMENT,
    DOCUMENT,
  );
  if (!root.ok) return root;
  if (type !== SIGN_PREDICATE) return invalid(`expected predicateType ${SIGN_PREDICATE}`);
  if (!TYPES.includes(root.value['_type'] ?? null))
    return invalid('expected _type to be in-toto Statement v0.1 or v1');
  const subjects = root.value['subject'];
  if (!isArray(subjects) || subjects.length !== 1)
    return invalid(
      `expected exactly one subject, found ${isArray(subjects) ? subjects.length : 0}`,
    );
  return readSubject(subjects[0]);
}

// in-toto attestation spec, "ResourceDescriptor".
function readSubject(value: Json | undefined): Result<Statement> {
  const optional = ['name', 'uri', 'content', 'downloadLocation', 'mediaType', 'annotations'];
  const subject = strictMembers(value, { needed: ['digest'], optional }, DOCUMENT, 'subject[0]');
  if (!subject.ok) return subject;
  const { digest: digests, name, annotations: notes = null } = subject.value;
  const hex = isObject(digests) ? digests['sha256'] : undefined;
  const digest = `sha256:${typeof hex === 'string' ? hex : ''}`;
  if (!isDigest(digest)) return invalid('expected a sha256 digest in subject[0]');
  if (name !== undefined && typeof name !== 'string')
    return invalid('expected subject[0].name to be a string');
  if (notes !== null && !isObject(notes))
    return invalid('expected subject[0].annotations to be an object');
  // Members that are no strings are let be, as in simple signing; they are no annotations.
  const annotations = Object.fromEntries(
    Object.entries(notes ?? {}).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  );
  const signed = readName(digest, name, notes?.[REFERENCE_ANNOTATION]);
  return signed.ok ? ok({ digest, signed: signed.value, annotations }) : signed;
}

/** The name that the subject has, or that the signer gave as an annotation; two must be the same one. */
function readName(
  digest: Digest,
  name: string | undefined,
  annotation: Json | undefined,
): Result<Finding['signed']> {
  const given: Reference[] = [];
  if (annotation !== undefined) {
    const reference = parseSignedName(typeof annotation === 'string' ? annotation : '');
    if (!reference.ok) return invalid(`${REFERENCE_ANNOTATION}: ${reference.refusal.message}`);
    given.push(reference.value);
  }
  // A statement's names are free text (in-toto: "unique within the statement"): only a full one binds.
  const reference = parseSignedName(name ?? '');
  if (reference.ok) given.push(reference.value);
  const [first, second = first] = given;
  if (first === undefined || second === undefined) return ok(null);
  const tag = first.tag ?? second.tag ?? null;
  if (first.repository !== second.repository || (second.tag ?? tag) !== tag)
    return invalid(`expected one name, found another in ${REFERENCE_ANNOTATION}`);
  if (given.some((each) => each.digest !== undefined && each.digest !== digest))
    return invalid('expected the name to be of the signed digest, found another');
  return ok({ repository: first.repository, tag });
}

const invalid = (why: string): Result<never> => refuse('ARTIFACT_INVALID', `${DOCUMENT}: ${why}`);
