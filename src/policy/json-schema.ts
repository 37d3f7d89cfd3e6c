import { LIMITS } from '../lib/limits.ts';
import type { FormatName } from '../trust/format.ts';
import type { FieldsOf } from './fields.ts';
import {
  BLOB_RULES,
  BOUNDS,
  DEFAULTS,
  DELETE_RULES,
  DIGEST_RULES,
  FIELDS,
  MODES,
  NAME,
  PUSH_RULES,
  TAG_RULES,
  keysOf,
} from './fields.ts';
import { formatDuration } from './duration.ts';

type Schema = Readonly<Record<string, unknown>>;

const NAMED: Schema = { type: 'string', pattern: NAME.source };
const LINE: Schema = { type: 'string', minLength: 1, maxLength: BOUNDS.text };
const DURATION: Schema = { type: 'string', pattern: '^[0-9]{1,9}(ms|s|m|h|d)$' };
const DIGEST = '^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$';
const INSTANT =
  '^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:]{8}(\\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2}))?$';

const word = (words: readonly string[], standard?: string): Schema => ({
  enum: words,
  ...(standard === undefined ? {} : { default: standard }),
});
const flag = (standard: boolean): Schema => ({ type: 'boolean', default: standard });
const several = (items: Schema, least: number, most: number): Schema => ({
  type: 'array',
  items,
  minItems: least,
  maxItems: most,
});
const ROOTS: Schema = several({ type: 'string', minLength: 1 }, 1, BOUNDS.roots);

/** An object with exactly the keys of one part of {@link FIELDS}: a key without a schema does not compile. */
function part<P extends keyof typeof FIELDS>(
  name: P,
  properties: Readonly<Record<FieldsOf<P>, Schema>>,
  required: readonly FieldsOf<P>[],
): Schema {
  const described = keysOf(name).map((key) => [
    key,
    { description: FIELDS[name][key], ...properties[key] },
  ]);
  return {
    type: 'object',
    additionalProperties: false,
    required,
    properties: Object.fromEntries(described) as Schema,
  };
}

/**
 * The JSON schema (draft 7) of a policy file, for editors. What it accepts is a superset of what
 * loads: names, keys and patterns that must fit each other are checked by the loader only.
 */
export function policyJsonSchema(formats: readonly FormatName[]): Schema {
  const signatures = part(
    'signatures',
    {
      by: { ...several({ type: 'string' }, 1, BOUNDS.by), uniqueItems: true },
      atLeast: { type: 'integer', minimum: 1, maximum: BOUNDS.by },
      formats: {
        ...several({ enum: formats }, 1, formats.length),
        uniqueItems: true,
        default: DEFAULTS.formats,
      },
      maxAge: DURATION,
      roots: ROOTS,
    },
    ['by'],
  );
  const requirement = part('requirement', { signatures }, ['signatures']);
  const exception = part(
    'exception',
    {
      digest: { type: 'string', pattern: DIGEST },
      reason: LINE,
      approvedBy: LINE,
      expires: { type: 'string', pattern: INSTANT },
    },
    ['digest', 'reason', 'approvedBy', 'expires'],
  );
  const policy = part(
    'policy',
    {
      name: NAMED,
      images: { ...several({ type: 'string', minLength: 1 }, 1, 100), uniqueItems: true },
      mode: word(MODES, DEFAULTS.mode),
      push: word(PUSH_RULES, DEFAULTS.push),
      tags: word(TAG_RULES, DEFAULTS.tags),
      require: several(requirement, 0, BOUNDS.rules),
      signedAs: several({ type: 'string', minLength: 1 }, 0, 20),
      bindTag: flag(DEFAULTS.bindTag),
      digests: word(DIGEST_RULES, DEFAULTS.digests),
      roots: ROOTS,
      blobs: word(BLOB_RULES, DEFAULTS.blobs),
      delete: word(DELETE_RULES, DEFAULTS.delete),
      holdFor: { ...DURATION, default: formatDuration(DEFAULTS.holdFor) },
      authGrace: { ...DURATION, default: formatDuration(DEFAULTS.authGrace) },
      exceptions: several(exception, 0, BOUNDS.exceptions),
      floor: flag(DEFAULTS.floor),
    },
    ['name', 'images'],
  );
  const authority = part(
    'authority',
    { name: NAMED, keys: several({ type: 'string', minLength: 1 }, 1, LIMITS.policyKeys) },
    ['name', 'keys'],
  );
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Countersign policy file',
    ...part(
      'file',
      {
        version: { const: 1 },
        authorities: { type: 'array', items: authority },
        policies: { type: 'array', items: policy },
      },
      ['version'],
    ),
  };
}
