import type { TrustedRepository } from '../../tuf/repository.ts';
import type { Authority } from '../format.ts';
import { REPOSITORY } from '../format.ts';
import { hearNamed } from './hear-named.ts';
import { hearRepository } from './hear-repository.ts';
import type { Heard } from './voices.ts';

/** Hears everybody who is asked for. */
export function hear(repository: TrustedRepository, authorities: readonly Authority[]): Heard {
  const heard = authorities.map((authority) =>
    authority.name === REPOSITORY.name
      ? hearRepository(repository)
      : hearNamed(repository, authority),
  );
  return {
    voices: heard.flatMap((one) => one.voices),
    mutes: heard.flatMap((one) => one.mutes),
  };
}
