import { request } from 'undici';
import { mapParallel } from '../../src/lib/parallel.ts';
import { MANIFEST_ACCEPT } from '../../src/oci/media-types.ts';
import { answered, podOf, review as reviewOf } from './admission.ts';
import type { Service, Site } from './countersign.ts';

/** What each surface says of one pull; they must never differ. */
export interface Verdicts {
  readonly gateGet: string;
  readonly gateHead: string;
  readonly decisionApi: string;
  readonly admission: string;
  readonly verify: string;
  readonly verifyOffline: string;
}

/** The same verdict from everyone. */
export function everyone(verdict: 'allow' | 'deny'): Verdicts {
  return {
    gateGet: verdict,
    gateHead: verdict,
    decisionApi: verdict,
    admission: verdict,
    verify: verdict,
    verifyOffline: verdict,
  };
}

/** One pull: a path within the registry, and `:tag` or `@digest`. */
export interface Question {
  readonly path: string;
  readonly reference: string;
}

/**
 * Asks all surfaces the same questions; the answers are in their order. The command line is run once
 * for all of them. Offline, it reads the evidence from the registry behind the gate.
 */
export async function askEveryone(
  site: Site,
  gate: Service,
  registryHost: string,
  questions: readonly Question[],
): Promise<readonly Verdicts[]> {
  const named = (host: string): string[] =>
    questions.map(({ path, reference }) => `${host}/${path}${reference}`);
  const [verify, verifyOffline] = await Promise.all([
    commandSays(site, ['verify'], named(gate.host)),
    commandSays(site, ['verify', '--offline', '--policies', site.policies], named(registryHost)),
  ]);
  return mapParallel(questions, 4, async (question, n) => ({
    gateGet: await gateSays(gate, 'GET', question),
    gateHead: await gateSays(gate, 'HEAD', question),
    decisionApi: await apiSays(gate, question),
    admission: await admissionSays(gate, question),
    verify: verify[n] ?? 'nothing',
    verifyOffline: verifyOffline[n] ?? 'nothing',
  }));
}

async function gateSays(
  gate: Service,
  method: 'GET' | 'HEAD',
  { path, reference }: Question,
): Promise<string> {
  const url = `${gate.url}/v2/${path}/manifests/${reference.slice(1)}`;
  const answer = await request(url, { method, headers: { accept: MANIFEST_ACCEPT } });
  const body = await answer.body.text();
  if (answer.statusCode === 200) return 'allow';
  // Who is seen pushing to the repository, as these tests are, gets 404 for a refused HEAD.
  const refused = answer.statusCode === 403 || (method === 'HEAD' && answer.statusCode === 404);
  return refused ? 'deny' : `${answer.statusCode} ${body}`;
}

async function apiSays(gate: Service, { path, reference }: Question): Promise<string> {
  const answer = await request(`${gate.url}/api/v1/decisions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ image: `${gate.host}/${path}${reference}`, action: 'pull' }),
  });
  const body = await answer.body.text();
  if (answer.statusCode !== 200) return `${answer.statusCode} ${body}`;
  return (JSON.parse(body) as { decision: string }).decision;
}

/** What becomes of a Pod with the image: mutation gives a tag its digest, validation has the last word. */
async function admissionSays(gate: Service, { path, reference }: Question): Promise<string> {
  const review = async (webhook: string, image: string) => {
    const answer = await request(`${gate.url}/admission/${webhook}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(reviewOf({ object: podOf(image) })),
    });
    return answered({ status: answer.statusCode, text: await answer.body.text() });
  };
  const image = `${gate.host}/${path}${reference}`;
  const mutated = await review('mutate', image);
  if (!mutated.allowed) return mutated.status?.code === 403 ? 'deny' : JSON.stringify(mutated);
  const validated = await review('validate', mutated.patch?.[0]?.value ?? image);
  if (validated.allowed) return 'allow';
  return validated.status?.code === 403 ? 'deny' : JSON.stringify(validated);
}

interface Printed {
  readonly images: readonly {
    readonly decision?: { readonly decision: string };
    readonly error?: { readonly message: string };
  }[];
}

/** What `verify` prints of each image; its exit status must be that of the worst of them. */
async function commandSays(
  site: Site,
  command: readonly string[],
  images: readonly string[],
): Promise<readonly string[]> {
  const ran = await site.cli([...command, '--output', 'json', ...images]);
  if (ran.code !== 0 && ran.code !== 1) throw new Error(`exit ${ran.code}: ${ran.output}`);
  const said = (JSON.parse(ran.stdout) as Printed).images.map(
    (one) => one.decision?.decision ?? `error: ${one.error?.message}`,
  );
  const worst = said.every((verdict) => verdict === 'allow') ? 0 : 1;
  if (ran.code !== worst) throw new Error(`exit ${ran.code} with ${said.join(', ')}`);
  return said;
}
