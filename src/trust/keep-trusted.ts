/**
 * Which of more entries than fit are kept, given in the order of their arrival: the newest by each
 * known signer, then the other ones by known signers, then what nobody known signed; the newer before
 * the older. So no amount of junk, nor of one signer's renewals, pushes out a signature that counts.
 * What is kept is ordered as it was preferred, where it is more than the first `looked` that readers
 * look at.
 */
export async function keepTrustedFirst<T>(
  entries: readonly T[],
  most: number,
  signerOf: (entry: T) => Promise<string | null>,
  looked = most,
): Promise<readonly T[]> {
  if (entries.length <= looked) return entries;
  const firsts: T[] = [];
  const others: T[] = [];
  const unknown: T[] = [];
  const seen = new Set<string>();
  for (const entry of entries.toReversed()) {
    const signer = await signerOf(entry);
    if (signer === null) unknown.push(entry);
    else if (seen.has(signer)) others.push(entry);
    else {
      seen.add(signer);
      firsts.push(entry);
    }
  }
  return [...firsts, ...others, ...unknown].slice(0, most);
}
