import { shortDigest } from '../oci/digest.ts';
import type { Revocation } from '../store/store.ts';
import type { Finding } from '../trust/format.ts';
import { REFERENCE_ANNOTATION } from '../trust/signed-name.ts';
import type { DecisionSubject } from './decision.ts';
import type { Exception } from './policy.ts';
import type { Circumstances, CountedRule, Shortfall, Tally } from './quorum.ts';
import { shortfallOf } from './quorum.ts';

/** One line of a client holds 200 characters; the rest is room for `; record 1234567`. */
const MAX_MESSAGE = 180;
/** Below this the image is cut only when every list is at its shortest. */
const COMFORTABLE_IMAGE = 72;
/** With names of at most {@link MAX_NAME} characters, this much is always left for the image. */
const LEAST_IMAGE = 36;

/** Longest name of an authority or policy: short enough that no refusal must cut it. */
export const MAX_NAME = 40;

type Image = Pick<DecisionSubject, 'repository' | 'tag' | 'digest'>;

/** Messages end up in an HTTP/1.1 reason phrase: printable ASCII on one line, nothing else. */
export function plain(text: string, room: number): string {
  const ascii = text.replaceAll(/[^\x20-\x7e]/g, '?');
  return ascii.length <= room ? ascii : `${ascii.slice(0, Math.max(0, room - 3))}...`;
}

/** The image in at most `room` characters: the end of its name and the short digest survive. */
function imageIn(image: Image, room: number): string {
  const name = image.tag === null ? image.repository : `${image.repository}:${image.tag}`;
  const digest = ` (${shortDigest(image.digest)})`;
  const left = room - digest.length;
  return name.length <= left ? `${name}${digest}` : `...${name.slice(3 - left)}${digest}`;
}

/** Joins the image and the first of the endings (longest first) that leaves it enough room. */
function about(image: Image, endings: readonly string[]): string {
  const whole = imageIn(image, Infinity).length;
  const fits = (ending: string): boolean =>
    MAX_MESSAGE - ending.length >= Math.min(whole, COMFORTABLE_IMAGE);
  const shortest = endings.at(-1) ?? '';
  const last = plain(shortest, MAX_MESSAGE - LEAST_IMAGE);
  const ending = endings.find(fits) ?? last;
  return `${imageIn(image, MAX_MESSAGE - ending.length)}${ending}`;
}

/** At most `shown` of the names, and how many more there are. */
function list(names: readonly string[], shown: number): string {
  const more = names.length - shown;
  const text = names.slice(0, shown).join(', ');
  return more > 0 ? `${text} and ${more} more` : text;
}

/** How short the lists of a message get, step by step: names asked for, signatures found. */
const STEPS: readonly (readonly [number, number])[] = [
  [Infinity, Infinity],
  [Infinity, 2],
  [4, 2],
  [4, 1],
  [2, 1],
  [1, 1],
  [1, 0],
];

function needs(rule: CountedRule, shown: number): string {
  return rule.by.length === 1 ? list(rule.by, 1) : `${rule.atLeast} of ${list(rule.by, shown)}`;
}

/** What stood in the way: the first rule that is not met, and what was found instead. */
export interface Missing {
  readonly tallies: readonly Tally[];
  readonly findings: readonly Finding[];
  readonly circumstances: Circumstances;
}

function endings(
  verb: string,
  { tallies, circumstances }: Missing,
  found: (rule: CountedRule, shown: number, hints: boolean) => readonly string[],
): readonly string[] {
  const unmet = tallies.filter((tally) => !tally.met);
  const rules = unmet.filter((tally) => tally.rule.map !== true);
  // What the signed map is asked besides is news only where the rules themselves are met.
  const [first, ...others] = rules.length > 0 ? rules : unmet;
  const policy = circumstances.policy.name;
  if (first === undefined) {
    return [` ${verb}: policy ${policy} requires nothing, which nothing can meet`];
  }
  const rest = others.length === 0 ? '' : ` (and ${others.length} more)`;
  // What mends it is worth more than whole lists: those with it come first, while anything found is shown.
  const steps = [true, false].flatMap((hints) =>
    STEPS.filter(([, shown]) => !hints || shown > 0).map((step) => ({ step, hints })),
  );
  return steps
    .flatMap(({ step: [names, shown], hints }) => {
      const evidence = shown === 0 ? [''] : found(first.rule, shown, hints);
      const start = ` ${verb}: policy ${policy} needs ${needs(first.rule, names)}${rest}`;
      return evidence.map((one) => (one === '' ? start : `${start}; ${one}`));
    })
    .concat(` ${verb}: policy ${policy} needs ${needs(first.rule, 1)}`);
}

/** What to add when signing again, where the shortfall alone does not say it. */
const HINTS: Partial<Record<Shortfall, string>> = {
  'no name': `: add -a ${REFERENCE_ANNOTATION}=IMAGE`,
};

/** How much of why trust data cannot be believed is told, step by step: as much as there is room for. */
const REASON: Readonly<Record<'long' | 'short' | 'least', readonly number[]>> = {
  long: [120, 100, 90, 80, 74, 68],
  short: [62, 56, 50, 44],
  least: [34],
};

function foundFor(
  missing: Missing,
  rule: CountedRule,
  shown: number,
  hints: boolean,
): readonly string[] {
  const { findings, circumstances } = missing;
  // Those that do not count come first: what is wrong with them is what can be mended.
  const short = new Set<string>();
  const counted = new Set<string>();
  for (const finding of findings) {
    if (finding.status !== 'valid' || finding.authority === null) continue;
    const why = shortfallOf(finding, rule, circumstances);
    if (why === null) counted.add(`${finding.authority} (${finding.format})`);
    else {
      const hint = hints ? (HINTS[why] ?? '') : '';
      short.add(`${finding.authority} (${finding.format}, ${why}${hint})`);
    }
  }
  const entries = [...short, ...counted];
  if (entries.length > 0) return [`found ${list(entries, shown)}`];
  const failed = findings.filter((finding) => finding.status === 'invalid');
  // Trust data that cannot be believed are one thing with one reason, which says what to do.
  const data = failed.find((finding) => finding.format === 'dct');
  if (data !== undefined) {
    const rooms = shown > 2 ? REASON.long : shown === 2 ? REASON.short : REASON.least;
    return rooms.map((room) => `trust data: ${plain(data.reason, room)}`);
  }
  const invalid = failed.length;
  return [invalid === 0 ? 'found none' : `found ${invalid} that did not verify`];
}

/** `... not signed: policy P needs 2 of a, b; found a (cosign)`. */
export function notSigned(image: Image, missing: Missing): string {
  const found = (rule: CountedRule, shown: number, hints: boolean): readonly string[] =>
    foundFor(missing, rule, shown, hints);
  return about(image, endings('not signed', missing, found));
}

/** `... cannot be verified: policy P needs a; <why>; try again`. */
export function cannotVerify(image: Image, missing: Missing): string {
  const reason = missing.findings.find((finding) => finding.status === 'inconclusive')?.reason;
  const found = (_: CountedRule, shown: number): readonly string[] => [
    `${plain(reason ?? '', shown > 2 ? 60 : 30)}; try again`,
  ];
  return about(image, endings('cannot be verified', missing, found));
}

/** `... denied: no policy governs it; ...`. */
export function noPolicy(image: Image): string {
  return about(image, [' denied: no policy governs it; add one whose images match it']);
}

/** `... revoked: ...`, for a tag or digest from which trust was taken. */
export function revoked(image: Image, revocation: Exclude<Revocation, { kind: 'key' }>): string {
  const what = revocation.kind === 'tag' ? 'the tag' : 'the digest';
  const end = (room: number): string =>
    ` revoked: trust in ${what} was withdrawn (${plain(revocation.reason, room)}); countersign revoke --undo restores it`;
  return about(image, [end(60), end(20)]);
}

/** Why an image was let through by its signatures. */
export function signedBy(image: Image, policy: string, authorities: readonly string[]): string {
  const steps = [Infinity, 4, 2, 1];
  return about(
    image,
    steps.map((n) => ` signed by ${list(authorities, n)} as policy ${policy} asks`),
  );
}

/** Why an image was let through by an exception. */
export function excepted(image: Image, policy: string, exception: Exception): string {
  const day = exception.expires.toISOString().slice(0, 10);
  const end = (room: number): string =>
    ` excepted in policy ${policy} until ${day} by ${plain(exception.approvedBy, 30)}: ${plain(exception.reason, room)}`;
  return about(image, [end(60), end(20), end(0)]);
}

/** Why an image was let through unseen. */
export function notLookedAt(image: Image, policy: string): string {
  return about(image, [` not looked at: policy ${policy} is off`]);
}
