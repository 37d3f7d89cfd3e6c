import type { NamedSigner } from '../../keys/resolve-signer.ts';
import type { ErrorCode } from '../../lib/errors.ts';
import { codeOf, CountersignError, messageOf } from '../../lib/errors.ts';
import { shortDigest } from '../../oci/digest.ts';
import { splitRepository } from '../../oci/reference.ts';
import type { EvidenceSink, SignRequest } from '../format.ts';
import type { ImageSigner } from '../sign.ts';
import { signTag } from './sign-tag.ts';
import type { TrustSession } from './session.ts';

/** How a tag's entry in the signed map is written beside an image's other signatures. */
export interface DctSigning {
  /** The trust data of the image's registry; asked for once a tag is signed. */
  readonly session: TrustSession;
  readonly signer: NamedSigner;
  /** True where the person asked for this format; else it is passed over, with a note, where it cannot be. */
  readonly required: boolean;
  /**
   * Tells the size of a manifest that the registry does not show before it is trusted; `null` where
   * nobody does. Throws what asking throws.
   */
  readonly hiddenSize?: (request: SignRequest) => Promise<number | null>;
  /** What a person should know beside "no such service": the image's own name at a registry with several; empty for nothing. */
  readonly hint?: (request: SignRequest) => Promise<string>;
  /** Told where the format is passed over for want of a service or a tag; the session's `note` tells the rest. */
  readonly passedOver: (line: string) => void;
}

/** Not everybody has a Notary service, or may write there; nobody who did not ask for it is kept from signing. */
const MAY_BE_MISSED: readonly ErrorCode[] = [
  'NO_TRUST_SERVICE',
  'NO_SIGNING_KEY',
  'PASSPHRASE_MISSING',
];
/** What registries answer that know no such path: some ask for a login that nobody has. */
const NO_SERVICE: readonly ErrorCode[] = ['UNAUTHENTICATED', 'FORBIDDEN', 'UPSTREAM_INVALID'];

const NO_TAG =
  'it signs tags, and none was named; write HOST/NAME:TAG@sha256:… to sign the digest under a tag';
const RETIRED =
  'notary.docker.io is being shut down; name another trust server with DOCKER_CONTENT_TRUST_SERVER';

/**
 * Signs an image's tag in its repository's Notary v1 trust data. A digest without a tag has no place
 * there, nor has what an index contains.
 */
export function dctImageSigner({
  session,
  signer,
  required,
  passedOver,
  hiddenSize = () => Promise.resolve(null),
  hint = () => Promise.resolve(''),
}: DctSigning): ImageSigner {
  return {
    name: 'dct',
    onlyImage: true,
    sign: async (request, _signer, sink) => {
      const { repository: gun, digest, tag, renew = false } = request;
      if (tag === null && required)
        throw new CountersignError('USAGE', `cannot sign in dct: ${NO_TAG}`);
      const unfit = tag === null ? NO_TAG : retired(session, request) && !required ? RETIRED : null;
      if (tag === null || unfit !== null) {
        passedOver(`not signed in dct: ${unfit}`);
        return null;
      }
      const length = await sizeOf(request, sink, hiddenSize);
      const pinned = (await session.cache.read(gun, 'root')) !== null;
      try {
        const written = await signTag(session, { gun, tag, digest, length, signer, renew });
        return { written };
      } catch (error) {
        const code = codeOf(error);
        const strange = !session.server.address.named && !pinned && NO_SERVICE.includes(code);
        const missed =
          MAY_BE_MISSED.includes(code) &&
          !(session.server.address.named && code === 'NO_TRUST_SERVICE');
        const more = code === 'NO_TRUST_SERVICE' ? await hint(request) : '';
        if (required || !(strange || missed)) {
          if (more === '') throw error;
          throw new CountersignError(code, `${messageOf(error)}${more}`, { cause: error });
        }
        const tell = strange || code === 'NO_TRUST_SERVICE' ? passedOver : session.note;
        tell(`not signed in dct: ${messageOf(error)}${more}`);
        return null;
      }
    },
  };
}

/**
 * The size of what is signed, which stands beside the digest in the map. Throws MANIFEST_UNKNOWN where the
 * registry lacks the manifest, FORBIDDEN where it does not show it and nobody tells.
 */
async function sizeOf(
  request: SignRequest,
  sink: EvidenceSink,
  hiddenSize: (request: SignRequest) => Promise<number | null>,
): Promise<number> {
  const short = shortDigest(request.digest);
  try {
    const manifest = await sink.manifest(request.digest);
    if (manifest !== null) return manifest.bytes.length;
  } catch (error) {
    if (codeOf(error) !== 'FORBIDDEN') throw error;
    const told = await hiddenSize(request);
    if (told !== null) return told;
    throw new CountersignError(
      'FORBIDDEN',
      `not signed in dct: ${short} cannot be read before it is trusted, and its size is signed too; push it again where pushes are held, or sign it in another format that its policy takes first`,
      { cause: error },
    );
  }
  throw new CountersignError(
    'MANIFEST_UNKNOWN',
    `the registry has no manifest ${short}; push it first`,
  );
}

/** Docker Hub's own trust server. */
function retired({ server }: TrustSession, { repository }: SignRequest): boolean {
  return splitRepository(repository).host === 'docker.io' && !server.address.named;
}
