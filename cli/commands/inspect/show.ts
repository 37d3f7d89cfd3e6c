import { hexOf } from '../../../src/oci/digest.ts';
import type { Repository } from '../../../src/oci/reference.ts';
import { oneLine } from '../../display.ts';
import type { TrustReport } from '../../docker-trust/report.ts';
import { REPO_ADMIN } from '../../docker-trust/report.ts';
import type { Inspected } from './look.ts';

/** All images for a person: one line each, its signatures below. */
export function describeInspected(name: string, images: readonly Inspected[]): string {
  const lines = images.flatMap(({ tag, digest, signatures, others, problems }) => [
    `  ${tag ?? '-'}  ${digest}${signatures.length === 0 ? '  not signed by anybody known' : ''}`,
    ...signatures.map(({ signer, keyId, format, repository, tag: named, signedAt }) => {
      const as =
        repository === null
          ? ', names no repository'
          : ` as ${repository}${named === null ? '' : `:${named}`}`;
      return `    ${signer}, key ${keyId.slice(0, 12)}, ${format}${as}${signedAt === null ? '' : ` at ${signedAt}`}`;
    }),
    ...(others === 0 ? [] : [`    ${others} more that no known key verifies`]),
    ...problems.map((problem) => `    not read: ${problem}`),
  ]);
  return [name, ...lines].join('\n');
}

/** What the repository's own signed map (Notary v1) says: a line for each tag, and who may sign. */
export function describeSignedMap({ tags, signers }: TrustReport): string {
  const names = signers.map(({ name, keys }) => `${name} (${keys.map(short).join(', ')})`);
  return [
    '  signed map (dct):',
    ...tags.map(
      ({ tag, digest, signers: by }) =>
        `    ${oneLine(tag)}  sha256:${digest}  ${by.length === 0 ? REPO_ADMIN : by.join(', ')}`,
    ),
    ...(tags.length === 0 ? ['    no tag is signed'] : []),
    `    signers: ${names.length === 0 ? 'the holder of its targets key alone' : names.join(', ')}`,
  ].join('\n');
}

const short = (id: string): string => id.slice(0, 12);

/**
 * The JSON of `docker trust inspect` (docker/cli, cli/command/trust/inspect.go): an array of one
 * repository, digests as bare hex, tags sorted. There are no administrative keys in these formats.
 */
export function dockerShape(
  repository: Repository,
  images: readonly Inspected[],
): readonly object[] {
  const keys = new Map<string, Set<string>>();
  const signedTags = images.flatMap(({ tag, digest, signatures }) => {
    if (tag === null || signatures.length === 0) return [];
    const signers = [...new Set(signatures.map((signature) => signature.signer))].toSorted(byText);
    return [{ SignedTag: tag, Digest: hexOf(digest), Signers: signers }];
  });
  for (const { signer, keyId } of images.flatMap((image) => image.signatures)) {
    keys.set(signer, (keys.get(signer) ?? new Set()).add(keyId));
  }
  const signers = [...keys].map(([name, ids]) => ({
    Name: name,
    Keys: [...ids].map((id) => ({ ID: id })),
  }));
  return [
    {
      Name: repository,
      SignedTags: signedTags.toSorted((a, b) => byText(a.SignedTag, b.SignedTag)),
      Signers: signers.toSorted((a, b) => byText(a.Name, b.Name)),
      AdministrativeKeys: [],
    },
  ];
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
