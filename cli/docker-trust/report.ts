import { canonicalKeyId } from '../../src/tuf/public-key.ts';
import type { TrustedRepository } from '../../src/tuf/repository.ts';
import { RELEASES } from '../../src/tuf/role-name.ts';
import type { TrustedTargets } from '../../src/tuf/targets-tree.ts';
import { mayName } from '../../src/tuf/targets-tree.ts';
import type { SigningRole } from '../../src/tuf/threshold.ts';
import { oneLine } from '../display.ts';
import { compareNatural } from './natural.ts';

/** A tag that is released: named by `targets` or `targets/releases`. */
export interface ReleasedTag {
  readonly tag: string;
  /** Bare hex. */
  readonly digest: string;
  /** Who else says so in a role of their own, in the order of the delegations; none: the repository's admin alone. */
  readonly signers: readonly string[];
}

/** What `docker trust inspect` tells of a repository. */
export interface TrustReport {
  readonly tags: readonly ReleasedTag[];
  /** By name, keys by their canonical ids. */
  readonly signers: readonly { readonly name: string; readonly keys: readonly string[] }[];
  /** As the root lists them: certificates have ids of their own. */
  readonly rootKeys: readonly string[];
  readonly repositoryKeys: readonly string[];
}

/** Who signs for a repository that has no signers, as docker calls them. */
export const REPO_ADMIN = 'Repo Admin';
const RELEASED: readonly string[] = ['targets', RELEASES];

/**
 * What a repository has signed: all tags, or one. As docker does it, a tag is one row for each digest
 * that `targets` or `targets/releases` names, and its signers are those who say the same.
 */
export function reportOf({ root, tree }: TrustedRepository, only: string | null): TrustReport {
  const roles = inOrder([...tree.roles.values()]);
  const rows = new Map<string, { tag: string; digest: string; signers: string[] }>();
  const said = (role: TrustedTargets): readonly (readonly [string, string])[] =>
    [...role.targets]
      .filter(([tag]) => (only === null || tag === only) && mayName(role, tag))
      .map(([tag, { sha256 }]) => [tag, sha256]);
  for (const role of roles.filter(({ name }) => RELEASED.includes(name))) {
    for (const [tag, digest] of said(role)) {
      rows.set(`${tag} ${digest}`, { tag, digest, signers: [] });
    }
  }
  for (const role of roles.filter(({ name }) => !RELEASED.includes(name))) {
    for (const [tag, digest] of said(role)) {
      rows.get(`${tag} ${digest}`)?.signers.push(signerOf(role.name));
    }
  }
  const delegations = roles.flatMap((role) => role.delegations);
  return {
    tags: [...rows.values()].toSorted((a, b) => compareNatural(a.tag, b.tag)),
    signers: delegations
      .filter(({ name }) => name !== RELEASES)
      .map((role) => ({ name: signerOf(role.name), keys: canonicalIds(role) })),
    rootKeys: [...root.roles.root.keys.keys()],
    repositoryKeys: [...root.roles.targets.keys.keys()],
  };
}

/** `targets`, then each delegation behind its parent, in the order in which the parent lists them. */
function inOrder(roles: readonly TrustedTargets[]): readonly TrustedTargets[] {
  const walk = (name: string): readonly TrustedTargets[] => {
    const role = roles.find((one) => one.name === name);
    return role === undefined ? [] : [role, ...role.delegations.flatMap((one) => walk(one.name))];
  };
  return walk('targets');
}

function signerOf(role: string): string {
  return role.replace(/^targets\//, '');
}

function canonicalIds(role: SigningRole): readonly string[] {
  return [...role.keys.values()].map(canonicalKeyId);
}

/** One element of docker's JSON array; `name` as the person wrote it. */
export function dockerJson(name: string, report: TrustReport): object {
  const keys = (ids: readonly string[]): object[] => ids.map((ID) => ({ ID }));
  return {
    Name: name,
    SignedTags: report.tags.map(({ tag, digest, signers }) => ({
      SignedTag: tag,
      Digest: digest,
      Signers: signers.length === 0 ? [REPO_ADMIN] : signers,
    })),
    // Backwards by name: that is docker's order.
    Signers: report.signers
      .toSorted((a, b) => (a.name < b.name ? 1 : -1))
      .map((signer) => ({ Name: signer.name, Keys: keys(signer.keys) })),
    AdministrativeKeys: [
      { Name: 'Root', Keys: keys(report.rootKeys) },
      { Name: 'Repository', Keys: keys(report.repositoryKeys) },
    ],
  };
}

/** The text of docker's `--pretty`. */
export function dockerPretty(name: string, report: TrustReport): string {
  const { tags, signers } = report;
  const rows = tags.map(({ tag, digest, signers: by }) => [
    oneLine(tag),
    digest,
    by.length === 0 ? `(${REPO_ADMIN})` : by.toSorted().join(', '),
  ]);
  const signed =
    tags.length === 0
      ? `\nNo signatures for ${name}\n\n`
      : `\nSignatures for ${name}\n\n${table([['SIGNED TAG', 'DIGEST', 'SIGNERS'], ...rows])}`;
  const known = signers
    .toSorted((a, b) => compareNatural(a.name, b.name))
    .map((signer) => [
      signer.name,
      signer.keys
        .toSorted()
        .map((id) => id.slice(0, 12))
        .join(', '),
    ]);
  const listed =
    known.length === 0
      ? ''
      : `\nList of signers and their keys for ${name}\n\n${table([['SIGNER', 'KEYS'], ...known])}`;
  const admin = [
    ['Repository Key', report.repositoryKeys],
    ['Root Key', report.rootKeys],
  ] as const;
  const lines = admin.map(([role, ids]) => `  ${role}:\t${ids.toSorted().join(', ')}\n`);
  return `${signed}${listed}\nAdministrative keys for ${name}\n\n${lines.join('')}`;
}

/** Go's tabwriter as docker sets it: cells of at least 10 with 3 spaces behind, the last one as it is. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) =>
    Math.max(10, ...rows.map((row) => (row[at]?.length ?? 0) + 3)),
  );
  const line = (row: readonly string[]): string =>
    row.map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0))).join('');
  return rows.map((row) => `${line(row)}\n`).join('');
}
