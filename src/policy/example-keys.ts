import type { PolicySet } from './policy.ts';

/** Ids of the keys that the starter policies come with; nobody holds their private halves (see policies/keys/README.md). */
export const EXAMPLE_KEYS: Readonly<Record<string, string>> = {
  'release-bot': '9ea55de9a11f6d123646d0d9e028555852b5b013c530338842aa1b84dff42078',
  security: '7644b2306461b33c8c1a5508dc54b2893db0778bc02bc4ac5549bacdf2193014',
  qa: '6458ed748c1cd4c878669cb0734dee36fb818e6a8355e75577912b2ed90c01ca',
};

/** A warning for every authority that still stands on an example key. */
export function exampleKeyWarnings(set: Pick<PolicySet, 'authorities'>): readonly string[] {
  const examples = new Set(Object.values(EXAMPLE_KEYS));
  return set.authorities
    .filter((authority) => authority.keys.some((key) => examples.has(key.id)))
    .map(
      (authority) =>
        `authority ${authority.name} has an example key that nobody can sign with: put the .pub file of its own key in its place`,
    );
}
