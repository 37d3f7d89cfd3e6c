import { systemClock } from '../../../src/lib/time.ts';
import { lint, lintHosts } from '../../../src/policy/lint.ts';
import type { Context } from '../../commands.ts';
import type { PlaceFlags } from './places.ts';
import { findPlaces, loadFrom } from './places.ts';

/** `policy check`: loads the folder and prints what deserves a second look. Throws POLICY_INVALID (exit 2). */
export async function runCheck(
  context: Context,
  folder: string | undefined,
  flags: PlaceFlags,
): Promise<void> {
  const places = await findPlaces(context, flags);
  const dir = folder ?? places.policies;
  const set = await loadFrom(dir, places);
  const elsewhere = places.hosts === null ? [] : lintHosts(set, places.hosts);
  const warnings = [...set.warnings, ...lint(set, systemClock()), ...elsewhere];
  const output = context.output();
  if (!output.json) for (const warning of warnings) output.warn(warning);
  output.result(
    {
      ok: true,
      folder: dir,
      revision: set.revision,
      files: set.files,
      policies: set.policies.map(({ name, mode, source, images }) => ({
        name,
        mode,
        source,
        images: images.map((pattern) => pattern.text),
      })),
      authorities: set.authorities.map(({ name, keys }) => ({
        name,
        keys: keys.map((key) => ({ type: key.type, id: key.id })),
      })),
      warnings,
    },
    `${dir}: ${count(set.policies.length, 'policy', 'policies')} and ${count(set.authorities.length, 'authority', 'authorities')} load, with ${count(warnings.length, 'warning', 'warnings')}; revision ${set.revision.slice(0, 12)}`,
  );
}

const count = (n: number, one: string, many: string): string => `${n} ${n === 1 ? one : many}`;
