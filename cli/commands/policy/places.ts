import { relative } from 'node:path';
import { loadConfig } from '../../../src/config/load.ts';
import { unwrap } from '../../../src/lib/result.ts';
import { parseHost } from '../../../src/oci/reference.ts';
import type { LoadOptions, LoadedPolicies } from '../../../src/policy/load.ts';
import { loadPolicies } from '../../../src/policy/load.ts';
import { VERIFIERS } from '../../../src/trust/formats.ts';
import type { Context } from '../../commands.ts';

/** The options that say where policies are and what they are read with. */
export interface PlaceFlags {
  readonly config?: string;
  readonly registry?: string;
}

/** Where policies are, and what they are read with: as the service would, by its configuration. */
export interface Places {
  /** The configured policy folder, as a person would write it. */
  readonly policies: string;
  readonly options: LoadOptions;
  /** The service's registries, where a configuration was named; else `null`: nobody said which they are. */
  readonly hosts: readonly string[] | null;
  /** The other names of each host. */
  aliasesOf(host: string): readonly string[];
}

/** Reads the configuration (or its defaults). Throws CONFIG_INVALID, or REFERENCE_INVALID for a wrong `--registry`. */
export async function findPlaces(context: Context, flags: PlaceFlags): Promise<Places> {
  const config = unwrap(await loadConfig({ file: flags.config, flags: {}, env: context.env }));
  const aliases = new Map(
    config.registries.flatMap(({ host, aliases: names }) => names.map((name) => [name, host])),
  );
  const first = config.registries[0]?.host ?? 'localhost:5443';
  const registryHost = flags.registry === undefined ? first : unwrap(parseHost(flags.registry));
  const formats = VERIFIERS.map((verifier) => verifier.name);
  const policies = relative('.', config.policies);
  return {
    policies: policies.startsWith('..') ? config.policies : policies === '' ? '.' : policies,
    options: { registryHost, aliases, formats },
    hosts: flags.config === undefined ? null : config.registries.map((each) => each.host),
    aliasesOf: (host) => config.registries.find((each) => each.host === host)?.aliases ?? [],
  };
}

/** Loads a folder; throws POLICY_INVALID with every problem on a line of its own. */
export async function loadFrom(folder: string, places: Places): Promise<LoadedPolicies> {
  return unwrap(await loadPolicies(folder, places.options));
}
