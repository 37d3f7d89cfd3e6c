import { request } from 'undici';
import { MANIFEST_ACCEPT } from '../../src/oci/media-types.ts';
import type { Service, Site } from './countersign.ts';

/** What each surface says of one pull; they must never differ. */
export interface Verdicts {
  readonly gateGet: string;
  readonly gateHead: string;
  readonly decisionApi: string;
  readonly verify: string;
  readonly verifyOffline: string;
}

/** The same verdict from everyone. */
export function everyone(verdict: 'allow' | 'deny'): Verdicts {
  return {
    gateGet: verdict,
    gateHead: verdict,
    decisionApi: verdict,
    verify: verdict,
    verifyOffline: verdict,
  };
}

/**
 * Asks all surfaces about `path` plus `reference` (`:tag` or `@digest`). Offline, the command line
 * reads the evidence from the registry behind the gate.
 */
export async function askEveryone(
  site: Site,
  gate: Service,
  registryHost: string,
  path: string,
  reference: string,
): Promise<Verdicts> {
  const image = `${gate.host}/${path}${reference}`;
  const behind = `${registryHost}/${path}${reference}`;
  const offline = ['verify', '--offline', '--policies', site.policies, behind];
  const [gateGet, gateHead, decisionApi, verify, verifyOffline] = await Promise.all([
    gateSays(gate, 'GET', path, reference),
    gateSays(gate, 'HEAD', path, reference),
    apiSays(gate, image),
    commandSays(site, ['verify', image]),
    commandSays(site, offline),
  ]);
  return { gateGet, gateHead, decisionApi, verify, verifyOffline };
}

async function gateSays(
  gate: Service,
  method: 'GET' | 'HEAD',
  path: string,
  reference: string,
): Promise<string> {
  const url = `${gate.url}/v2/${path}/manifests/${reference.slice(1)}`;
  const answer = await request(url, { method, headers: { accept: MANIFEST_ACCEPT } });
  const body = await answer.body.text();
  if (answer.statusCode === 200) return 'allow';
  return answer.statusCode === 403 ? 'deny' : `${answer.statusCode} ${body}`;
}

async function apiSays(gate: Service, image: string): Promise<string> {
  const answer = await request(`${gate.url}/api/v1/decisions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ image, action: 'pull' }),
  });
  const body = await answer.body.text();
  if (answer.statusCode !== 200) return `${answer.statusCode} ${body}`;
  return (JSON.parse(body) as { decision: string }).decision;
}

async function commandSays(site: Site, args: readonly string[]): Promise<string> {
  const ran = await site.cli(args);
  if (ran.code === 0) return 'allow';
  return ran.code === 1 ? 'deny' : `exit ${ran.code}: ${ran.output}`;
}
