import { CountersignError } from '../../../src/lib/errors.ts';
import type { Repository } from '../../../src/oci/reference.ts';
import type { TrustData } from '../../../src/trust/dct/trust-data.ts';

/** Reads a repository's Notary v1 trust data; throws where it cannot tell. */
export type ReadTrustData = (repository: Repository) => Promise<TrustData | null>;

/** For commands that ask no trust server: what only trust data could say stays open. */
export const noTrustServer = async (): Promise<never> => {
  throw new CountersignError('CANNOT_VERIFY', 'no trust server was asked');
};
