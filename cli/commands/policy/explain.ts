import { CountersignError } from '../../../src/lib/errors.ts';
import { quote } from '../../../src/lib/quote.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { parseDigest } from '../../../src/oci/digest.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import { splitRepository } from '../../../src/oci/reference.ts';
import type { ExplainedPolicy, Explanation } from '../../../src/policy/explain.ts';
import { explain } from '../../../src/policy/explain.ts';
import type { Context } from '../../commands.ts';
import type { ShownDecision } from '../../api/decisions.ts';
import { askDecision } from '../../api/decisions.ts';
import type { RegistryFlags } from '../../registry.ts';
import { openRegistry, parseImage } from '../../registry.ts';
import type { PlaceFlags } from './places.ts';
import { findPlaces, loadFrom } from './places.ts';

interface ExplainFlags extends PlaceFlags, RegistryFlags {
  readonly policies?: string;
  readonly digest?: string;
  readonly server?: string;
}

/** `policy explain`: which policy governs an image, and (with a server) why it decides as it does. */
export async function runExplain(
  context: Context,
  text: string,
  flags: ExplainFlags,
): Promise<void> {
  const image = parseImage(text);
  if (flags.server !== undefined) {
    const answer = await askServer(flags.server, image, flags, context.env);
    context.output().result(answer, () => describeDecision(answer));
    context.exit(answer.decision === 'allow' ? 0 : answer.reason.code === 'CANNOT_VERIFY' ? 3 : 1);
    return;
  }
  const places = await findPlaces(context, flags);
  const digest = image.digest ?? readDigest(flags.digest);
  const set = await loadFrom(flags.policies ?? places.policies, places);
  // As the service does: a repository goes by the configured host's name, whatever name was used.
  const host = places.options.aliases?.get(image.host) ?? image.host;
  const { path } = splitRepository(image.repository);
  const { repository } = parseImage(`${host}/${path}`);
  const explanation = explain(set, repository, places.aliasesOf(host), digest);
  const registry = places.options.registryHost;
  context.output().result({ ...explanation, registry }, () => describe(explanation, registry));
  context.exit(explanation.policies.length === 0 ? 1 : 0);
}

async function askServer(
  server: string,
  image: Reference,
  flags: RegistryFlags,
  env: NodeJS.ProcessEnv,
): Promise<ShownDecision> {
  const url = server.includes('://') ? server : `https://${server}`;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new CountersignError(
      'USAGE',
      `expected --server to be a host or an http(s) URL, found ${quote(server, 120)}`,
    );
  }
  const client = openRegistry({ host: new URL(url).host }, flags, env);
  try {
    const answer = await askDecision(client, image);
    if (answer !== null) return answer;
    throw new CountersignError('UPSTREAM_INVALID', `no Countersign answers at ${server}`);
  } finally {
    await client.close();
  }
}

function readDigest(text: string | undefined): Digest | null {
  if (text === undefined) return null;
  const digest = parseDigest(text);
  if (digest.ok) return digest.value;
  throw new CountersignError('USAGE', `--digest: ${digest.refusal.message}`);
}

/** `registry` is what `${registry}` of the policies stood for: the service may have another name. */
function describe({ repository, policies, settings }: Explanation, registry: string): string {
  if (policies.length === 0) {
    const meant = `\${registry} of the policies was taken for ${registry}`;
    const elsewhere = repository.startsWith(`${registry}/`)
      ? meant
      : `${meant}; where the service has another name, give it with --registry HOST, or --config FILE`;
    return `${repository}\n  denied: no policy governs it; add one whose images match it\n  ${elsewhere}`;
  }
  const lines = [repository, ...policies.flatMap(describePolicy)];
  const set = Object.entries(settings).map(([key, value]) => `${key} ${value}`);
  return [...lines, `  at the gate    ${set.join(', ')}`, `  \${registry}    ${registry}`].join(
    '\n',
  );
}

const ROLES: Readonly<Record<ExplainedPolicy['role'], string>> = {
  governs: 'governed by',
  floor: 'and floor',
  'less specific': 'not by',
};

function describePolicy(policy: ExplainedPolicy): readonly string[] {
  const why =
    policy.role === 'governs'
      ? 'is the most specific pattern that matches'
      : policy.role === 'floor'
        ? 'matches too, and a floor holds besides'
        : 'matches too, but is less specific';
  const row = (label: string, text: string): string => `  ${label.padEnd(14)} ${text}`;
  const lines = [
    row(ROLES[policy.role], `${policy.name} (${policy.source}), mode ${policy.mode}`),
    row('  because', `${policy.pattern} ${why}`),
  ];
  if (policy.role === 'less specific') return lines;
  const requires = policy.requires.length === 0 ? ['nothing'] : policy.requires;
  lines.push(...requires.map((text) => row('  requires', text)));
  lines.push(row('  signed as', policy.signedNames.join(', ')));
  if (policy.exception !== null) {
    const { reason, approvedBy, expires } = policy.exception;
    lines.push(
      row('  exception', `until ${expires.toISOString()}, approved by ${approvedBy}: ${reason}`),
    );
  }
  return lines;
}

function describeDecision(answer: ShownDecision): string {
  const lines = [`${answer.decision}: ${answer.reason.message} (${answer.reason.code})`];
  if (answer.policy !== null) {
    lines.push(
      `  policy         ${answer.policy.name}, revision ${answer.policy.revision.slice(0, 12)}`,
    );
  }
  for (const { format, authority, status, reason } of answer.findings) {
    lines.push(`  ${status.padEnd(14)} ${format}, ${authority ?? 'nobody known'}: ${reason}`);
  }
  return lines.join('\n');
}
