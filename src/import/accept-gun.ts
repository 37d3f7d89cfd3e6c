import { quote } from '../lib/quote.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import type { Repository } from '../oci/reference.ts';
import { parseRepository, splitRepository } from '../oci/reference.ts';

/** A registry that the service answers for, as far as its names go. */
export interface NamedRegistry {
  readonly host: string;
  readonly aliases: readonly string[];
}

/**
 * The repository of a GUN, which has to be its canonical name under the host of a configured registry.
 * A GUN cannot be mapped to another one: root certificates are signed for it. Refuses with
 * CONFIG_INVALID, saying what to configure, or NAME_INVALID.
 */
export function acceptGun(gun: string, registries: readonly NamedRegistry[]): Result<Repository> {
  const parsed = parseRepository(gun);
  if (!parsed.ok) {
    return refuse('NAME_INVALID', `${quote(gun, 120)} is no repository of images`);
  }
  if (parsed.value !== gun) {
    return refuse('NAME_INVALID', `docker asks for ${parsed.value}, never for ${quote(gun, 120)}`);
  }
  const { host } = splitRepository(parsed.value);
  if (registries.some((registry) => registry.host === host)) return ok(parsed.value);
  const other = registries.find((registry) => registry.aliases.includes(host));
  if (other !== undefined) {
    return refuse(
      'CONFIG_INVALID',
      `${host} is an alias of ${other.host}, and trust data stand under the name that they are signed for: make ${host} the host and ${other.host} the alias, or give it a registry of its own`,
    );
  }
  return refuse(
    'CONFIG_INVALID',
    `no registry here is called ${host}: add "- host: ${host}" to registries in countersign.yaml`,
  );
}
