import { randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { codeOf, CountersignError, messageOf } from '../../../src/lib/errors.ts';
import type { RegistryClient } from '../../../src/oci/client.ts';
import { formatReference } from '../../../src/oci/reference.ts';
import { decisionJson } from '../../../src/policy/decision-json.ts';
import type { PolicySet } from '../../../src/policy/policy.ts';
import type { ShownDecision } from '../../api/decisions.ts';
import { askSurvey } from '../../api/surveys.ts';
import type { Context } from '../../commands.ts';
import { findPlaces, loadFrom } from '../policy/places.ts';
import type { EvidenceMemo } from '../verify/offline.ts';
import type { ReadTrustData } from '../verify/trust-data.ts';
import { judgeOffline } from '../verify/offline.ts';
import type { Judged, Tagged } from './verdict.ts';
import { verdictOf } from './verdict.ts';

/** Where policies are. */
interface PolicyFlags {
  readonly policies?: string;
  readonly config?: string;
}

/** Judges one tag. Throws MANIFEST_UNKNOWN where it is not there any more, and what the client throws. */
export type Judge = (image: Tagged) => Promise<Judged>;

/** The judgement of the Countersign on `serverOf(image)`. Throws CANNOT_VERIFY where none is there. */
export function judgeByServer(serverOf: (image: Tagged) => RegistryClient): Judge {
  const survey = randomUUID();
  return async (image) => {
    const client = serverOf(image);
    const answer = await askSurvey(client, image, survey);
    if (answer !== null) return judged(image, answer.decision, answer.basis);
    throw new CountersignError(
      'CANNOT_VERIFY',
      `${client.host} is no Countersign; name one with --server URL, or judge by policies of your own with --offline --policies DIR`,
    );
  };
}

/** The policies that a host's images are judged by. */
export interface PolicyGround {
  readonly policies: PolicySet;
  /** The host's other names. */
  readonly aliases: readonly string[];
}

/** The judgement of policy files and the registry's own evidence, read once for each digest. */
export function judgeByPolicies(
  clientOf: (host: string) => RegistryClient,
  policiesOf: (host: string) => Promise<PolicyGround>,
  trustData: ReadTrustData,
): Judge {
  const memo: EvidenceMemo = new LRUCache({ max: 10_000 });
  const now = new Date();
  return async (image) => {
    const { policies, aliases } = await policiesOf(image.host);
    const client = clientOf(image.host);
    const basis = policies.revision;
    const ground = { client, policies, aliases, now, memo, trustData };
    try {
      const decision = await judgeOffline(ground, image);
      return judged(image, decisionJson(decision, null), basis);
    } catch (error) {
      // A gate shows other tags of the same repository: this says nothing of the repository.
      const code = codeOf(error);
      if (code !== 'FORBIDDEN') throw error;
      const name = formatReference(image);
      const open = { image: name, digest: null, policy: null, code, message: messageOf(error) };
      return { ...open, verdict: 'unknown', basis };
    }
  };
}

function judged(image: Tagged, shown: ShownDecision, basis: string): Judged {
  const { digest, policy, reason } = shown;
  return {
    image: formatReference(image),
    digest,
    verdict: verdictOf(shown),
    policy: policy?.name ?? null,
    ...reason,
    basis,
  };
}

/** Loads the policies once for each host; as `verify` does, for `${registry}` is the image's host unless a configuration says another. */
export function policyFiles(
  context: Context,
  flags: PolicyFlags,
): (host: string) => Promise<PolicyGround> {
  const loaded = new Map<string, Promise<PolicyGround>>();
  const load = async (host: string): Promise<PolicyGround> => {
    const registry = flags.config === undefined ? { registry: host } : { config: flags.config };
    const places = await findPlaces(context, registry);
    const policies = await loadFrom(flags.policies ?? places.policies, places);
    return { policies, aliases: places.aliasesOf(host) };
  };
  return (host) => {
    const known = loaded.get(host) ?? load(host);
    loaded.set(host, known);
    return known;
  };
}
