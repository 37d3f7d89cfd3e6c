import { beforeAll, describe } from 'vitest';
import type { ClientName } from './clients.ts';
import { findClient, missing } from './clients.ts';

/**
 * A suite that talks to real clients. Where one is missing the suite is skipped, and its one visible
 * line names the Debian package; with COUNTERSIGN_REQUIRE_CLIENTS=1 (CI) that is a failure instead.
 */
export function describeWithClients(
  title: string,
  names: readonly ClientName[],
  body: () => void,
): void {
  const lacking = names.filter((name) => findClient(name) === null).map(missing);
  const line = `"${title}" needs ${lacking.join(', ')}; .ci/clients installs them`;
  const required = process.env['COUNTERSIGN_REQUIRE_CLIENTS'] === '1';
  const versions = names.map((name) => `${name} ${findClient(name)?.version ?? 'missing'}`);
  process.stderr.write(
    lacking.length > 0 ? `lacking: ${line}\n` : `clients of "${title}": ${versions.join(', ')}\n`,
  );
  const suite = lacking.length > 0 && !required ? describe.skip : describe;
  // oxlint-disable-next-line vitest/valid-title, vitest/valid-describe-callback -- the title and body are the caller's
  suite(title, { timeout: 120_000 }, () => {
    beforeAll(() => {
      if (lacking.length > 0) throw new Error(line);
    });
    body();
  });
}
