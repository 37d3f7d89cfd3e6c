import type { NamedSigner } from '../../keys/resolve-signer.ts';
import type { ErrorCode } from '../../lib/errors.ts';
import { codeOf, CountersignError, messageOf } from '../../lib/errors.ts';
import type { Repository } from '../../oci/reference.ts';
import { splitRepository } from '../../oci/reference.ts';
import type { FileMeta } from '../../tuf/file-meta.ts';
import { Beginnings } from './first-keys.ts';
import type { TrustSession } from './session.ts';
import { signTags } from './sign-tag.ts';

/** How tags are signed beside an image's other signatures. */
export interface TagSignerPorts {
  /** The trust data of the image's registry; asked for once a tag is signed. */
  readonly session: TrustSession;
  readonly signer: NamedSigner;
  /** True where the person asked for this format; else it is passed over, with a note, where it cannot be. */
  readonly required: boolean;
  /** What a person should know beside "no such service": the image's own name at a registry with several; empty for nothing. */
  readonly hint?: (gun: Repository) => Promise<string>;
  /** Told where the format is passed over for want of a service or a tag, and what a first signature makes; the session's `note` tells the rest. */
  readonly passedOver: (line: string) => void;
}

/** Signs tags in their repositories' signed maps, or passes them over and says why, once a repository. */
export interface TagSigner {
  /**
   * Asks beforehand for what a repository's first signature needs; nothing is written. Throws, as `sign`,
   * where the format was asked for, and for what keeps everybody from signing.
   */
  prepare(gun: Repository): Promise<void>;
  /** Signs tags in one publish; whether anything was written, `null` where they were passed over. Throws as `signTags` does. */
  sign(
    gun: Repository,
    tags: ReadonlyMap<string, FileMeta>,
    renew: boolean,
  ): Promise<boolean | null>;
}

/** Not everybody has a Notary service, or may write there; nobody who did not ask for it is kept from signing. */
const MAY_BE_MISSED: readonly ErrorCode[] = [
  'NO_TRUST_SERVICE',
  'NO_SIGNING_KEY',
  'PASSPHRASE_MISSING',
];
/** What registries answer that know no such path: some ask for a login that nobody has. */
const NO_SERVICE: readonly ErrorCode[] = ['UNAUTHENTICATED', 'FORBIDDEN', 'UPSTREAM_INVALID'];

const RETIRED =
  'notary.docker.io is being shut down; name another trust server with DOCKER_CONTENT_TRUST_SERVER';

/** The signer of tags at one trust server. */
export function tagSigner({
  session,
  signer,
  required,
  passedOver,
  hint = () => Promise.resolve(''),
}: TagSignerPorts): TagSigner {
  const beginnings = new Beginnings(session, passedOver);
  const over = new Set<Repository>();
  const orPassOver = async <T>(gun: Repository, work: () => Promise<T>): Promise<T | null> => {
    if (over.has(gun)) return null;
    if (!required && isRetired(session, gun)) {
      over.add(gun);
      passedOver(`not signed in dct: ${RETIRED}`);
      return null;
    }
    const pinned = (await session.cache.read(gun, 'root')) !== null;
    try {
      return await work();
    } catch (error) {
      const code = codeOf(error);
      const { named } = session.server.address;
      const strange = !named && !pinned && NO_SERVICE.includes(code);
      const missed = MAY_BE_MISSED.includes(code) && !(named && code === 'NO_TRUST_SERVICE');
      const more = code === 'NO_TRUST_SERVICE' ? await hint(gun) : '';
      if (required || !(strange || missed)) {
        if (more === '') throw error;
        throw new CountersignError(code, `${messageOf(error)}${more}`, { cause: error });
      }
      over.add(gun);
      const tell = strange || code === 'NO_TRUST_SERVICE' ? passedOver : session.note;
      tell(`not signed in dct: ${messageOf(error)}${more}`);
      return null;
    }
  };
  return {
    prepare: async (gun) => {
      await orPassOver(gun, () => beginnings.prepare(gun));
    },
    sign: async (gun, tags, renew) =>
      orPassOver(gun, () =>
        signTags(session, { gun, tags, signer, renew, first: beginnings.of(gun) }),
      ),
  };
}

/** Docker Hub's own trust server. */
function isRetired({ server }: TrustSession, gun: Repository): boolean {
  return splitRepository(gun).host === 'docker.io' && !server.address.named;
}
