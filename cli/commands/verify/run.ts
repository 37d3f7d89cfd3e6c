import { CountersignError, codeOf, ERRORS, messageOf } from '../../../src/lib/errors.ts';
import type { RegistryClient } from '../../../src/oci/client.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import { formatReference } from '../../../src/oci/reference.ts';
import { decisionJson } from '../../../src/policy/decision-json.ts';
import type { ShownDecision } from '../../api/decisions.ts';
import { askDecision } from '../../api/decisions.ts';
import { nameHint } from '../../api/registry-name.ts';
import type { Context } from '../../commands.ts';
import { describeDecision } from '../../describe-decision.ts';
import type { RegistryFlags } from '../../registry.ts';
import { openRegistry, parseImage } from '../../registry.ts';
import { parseServer } from '../../server.ts';
import { findPlaces, loadFrom } from '../policy/places.ts';
import { judgeOffline, UNCHECKED, uncheckedOf } from './offline.ts';
import type { ReadTrustData } from './trust-data.ts';
import { openTrustReading } from './trust-data.ts';

/** The options of `verify`. */
export interface VerifyFlags extends RegistryFlags {
  readonly server?: string;
  readonly offline?: boolean;
  readonly policies?: string;
  readonly config?: string;
}

/** One image's answer: a decision, or why there is none. */
type Verified =
  | {
      readonly image: string;
      readonly decision: ShownDecision;
      readonly unchecked?: readonly string[];
    }
  | { readonly image: string; readonly error: { readonly code: string; readonly message: string } };

type Exit = 0 | 1 | 3;
type Ask = (image: Reference) => Promise<ShownDecision>;

/** `verify`: the decision on each image; the worst of them is the exit status. */
export async function runVerify(
  context: Context,
  images: readonly string[],
  flags: VerifyFlags,
): Promise<void> {
  if (flags.offline === true ? flags.server !== undefined : flags.policies !== undefined) {
    throw new CountersignError(
      'USAGE',
      'expected either --offline with --policies, or a server to ask; found both',
    );
  }
  const references = images.map(parseImage);
  const clients = new Map<string, RegistryClient>();
  const clientOf = (host: string): RegistryClient => {
    const client = clients.get(host) ?? openRegistry({ host }, flags, context.env);
    clients.set(host, client);
    return client;
  };
  const trust = openTrustReading(context, flags);
  try {
    const ask: Ask =
      flags.offline === true
        ? async (image) => askPolicies(context, flags, clientOf(image.host), trust.read, image)
        : async (image) => askServer(flags, clientOf, image);
    const results: Verified[] = [];
    let worst: Exit = 0;
    for (const image of references) {
      const { result, exit } = await verifyOne(image, ask, references.length === 1);
      if (exit === 1 && flags.server === undefined) {
        const hint = await nameHint(clientOf(image.host), image);
        if (hint !== '') context.output().note(`${formatReference(image)} is denied${hint}`);
      }
      results.push(flags.offline === true ? { ...result, unchecked: uncheckedIn(result) } : result);
      // A refusal is surer than a question that stayed open.
      if (worst === 0 || exit === 1) worst = exit === 0 ? worst : exit;
    }
    const output = context.output();
    output.result({ images: results }, () => results.map(describe).join('\n'));
    if (flags.offline === true) {
      const unchecked = new Set(results.flatMap(uncheckedIn));
      output.note(
        `not checked offline: ${[...unchecked].join(', ')} (ask the Countersign that serves the image)`,
      );
    }
    context.exit(worst);
  } finally {
    for (const client of clients.values()) await client.close();
    await trust.close();
  }
}

function uncheckedIn(result: Verified): readonly string[] {
  return 'decision' in result ? uncheckedOf(result.decision) : UNCHECKED;
}

async function verifyOne(
  image: Reference,
  ask: Ask,
  alone: boolean,
): Promise<{ readonly result: Verified; readonly exit: Exit }> {
  const name = formatReference(image);
  try {
    const decision = await ask(image);
    if (decision.decision === 'allow') return { result: { image: name, decision }, exit: 0 };
    const exit = decision.reason.code === 'CANNOT_VERIFY' ? 3 : 1;
    return { result: { image: name, decision }, exit };
  } catch (error) {
    const code = codeOf(error);
    const { exit } = ERRORS[code];
    // One image that cannot be judged does not hide the others; what is wrong with the command does.
    if (alone || exit === 2 || code === 'INTERNAL') throw error;
    return { result: { image: name, error: { code, message: messageOf(error) } }, exit };
  }
}

async function askServer(
  flags: VerifyFlags,
  clientOf: (host: string) => RegistryClient,
  image: Reference,
): Promise<ShownDecision> {
  const host = flags.server === undefined ? image.host : parseServer(flags.server);
  const decision = await askDecision(clientOf(host), image);
  if (decision !== null) return decision;
  throw new CountersignError(
    'CANNOT_VERIFY',
    `${host} is no Countersign; name one with --server URL, or judge by policies of your own with --offline --policies DIR`,
  );
}

async function askPolicies(
  context: Context,
  flags: VerifyFlags,
  client: RegistryClient,
  trustData: ReadTrustData,
  image: Reference,
): Promise<ShownDecision> {
  // Without a configuration `${registry}` in a policy is the host that was asked for.
  const registry = flags.config === undefined ? { registry: image.host } : { config: flags.config };
  const places = await findPlaces(context, registry);
  const policies = await loadFrom(flags.policies ?? places.policies, places);
  const ground = {
    client,
    policies,
    aliases: places.aliasesOf(image.host),
    now: new Date(),
    trustData,
  };
  const decision = await judgeOffline(ground, image);
  return decisionJson(decision, null);
}

function describe(verified: Verified): string {
  if ('error' in verified) return `${verified.image}\n  not judged: ${verified.error.message}`;
  return describeDecision(verified.image, verified.decision);
}
