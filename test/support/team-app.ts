import type { Attacked } from './attacked.ts';

// What the gate's suites do with `team/app`, the repository of the gate under attack.

/** Where `team/app` serves a tag or digest. */
export function manifestAt(reference: string): string {
  return `/v2/team/app/manifests/${reference}`;
}

/** The status of a pull of it. */
export async function statusOf(gate: Attacked, reference: string): Promise<number> {
  return (await gate.call('GET', manifestAt(reference))).status;
}

/** Makes the registry one without the referrers API, such as distribution 2 and 3. */
export function withoutReferrersApi(gate: Attacked): void {
  gate.fault((request, response) => {
    if (request.url?.includes('/referrers/') !== true) return false;
    response.writeHead(404).end('404 page not found');
    return true;
  });
}
