import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readBoundedFile } from '../../../src/lib/file.ts';
import { LIMITS } from '../../../src/lib/limits.ts';
import { unwrap } from '../../../src/lib/result.ts';
import { systemClock } from '../../../src/lib/time.ts';
import { formatReference, splitRepository } from '../../../src/oci/reference.ts';
import { readFixture } from '../../../src/policy/fixture.ts';
import { isPolicyFileName } from '../../../src/policy/unread-folders.ts';
import type { CaseResult } from '../../../src/policy/run-fixture.ts';
import { runCase } from '../../../src/policy/run-fixture.ts';
import type { Context } from '../../commands.ts';
import type { PlaceFlags, Places } from './places.ts';
import { findPlaces, loadFrom } from './places.ts';

interface TestFlags extends PlaceFlags {
  readonly policies?: string;
}

/** `policy test`: decides every case of the fixture files; exit 1 where one differs. Throws POLICY_INVALID (exit 2). */
export async function runTest(
  context: Context,
  files: readonly string[],
  flags: TestFlags,
): Promise<void> {
  const places = await findPlaces(context, flags);
  const results: (CaseResult & { readonly file: string })[] = [];
  for (const file of files) {
    // Before any policy: where a file is missing, the folder above it is somebody else's.
    const { bytes } = unwrap(await readBoundedFile(file, LIMITS.policyFileBytes, 'POLICY_INVALID'));
    const folder = flags.policies ?? (await policiesFor(file, places));
    const ran = await runFile({ file, bytes }, folder, places);
    results.push(...ran.map((result) => ({ ...result, file })));
  }
  const failed = results.filter((result) => result.difference !== null).length;
  context.output().result(
    {
      ok: failed === 0,
      cases: results.map(({ file, case: test, decision, difference }) => ({
        file,
        name: test.name,
        image: formatReference({
          repository: test.subject.repository,
          ...(test.subject.tag === null ? {} : { tag: test.subject.tag }),
        }),
        action: test.subject.action,
        expected: test.expected.decision,
        decision: decision.decision,
        reason: decision.reason,
        difference,
      })),
    },
    () =>
      [...results.flatMap(rows), '', `${results.length - failed} passed, ${failed} failed`].join(
        '\n',
      ),
  );
  context.exit(failed === 0 ? 0 : 1);
}

async function runFile(
  { file, bytes }: { readonly file: string; readonly bytes: Uint8Array },
  folder: string,
  places: Places,
): Promise<CaseResult[]> {
  const set = await loadFrom(folder, places);
  const { registryHost } = places.options;
  const cases = unwrap(readFixture(bytes, file, { set, registryHost, now: systemClock() }));
  return cases.map((test) => {
    const { host } = splitRepository(test.subject.repository);
    return runCase(set, test, places.aliasesOf(host));
  });
}

/** Fixtures lie in a folder beside the policies they test (`prod/tests/x.yaml` tests `prod/`). */
async function policiesFor(file: string, places: Places): Promise<string> {
  const above = join(dirname(file), '..');
  const names = await readdir(above).catch(() => []);
  return names.some(isPolicyFileName) ? above : places.policies;
}

function rows({ case: test, decision, difference }: CaseResult): readonly string[] {
  const state = difference === null ? 'ok  ' : 'FAIL';
  const verdict = `${decision.decision} ${decision.reason.code}`;
  const line = `${state}  ${verdict.padEnd(19)}  ${test.name}`;
  return difference === null ? [line] : [line, `      ${test.source}: ${difference}`];
}
