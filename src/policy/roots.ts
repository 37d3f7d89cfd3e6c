import { notaryKeyId } from '../keys/notary-key-id.ts';
import { parsePem } from '../keys/pem.ts';
import { parsePublicKey } from '../keys/public-key.ts';
import type { PublicKey } from '../keys/key.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import type { YamlNode } from '../lib/yaml-node.ts';
import { parseCertificate } from '../tuf/certificate.ts';
import type { Placed } from './draft.ts';
import { placed } from './draft.ts';
import { BOUNDS } from './fields.ts';
import { readKeyPath } from './key-path.ts';

const KEY_ID = /^[0-9a-f]{64}$/;

/** True for a root that is pinned by an id of its key: what `docker trust inspect` shows, the name of its file in a key store, or our own. */
export function isRootId(text: string): boolean {
  return KEY_ID.test(text);
}

/** Reads `roots`: key ids, or files in the policy folder. */
export function readRoots(node: YamlNode | undefined): readonly Placed<string>[] {
  const list = node?.list() ?? [];
  if (node?.kind === 'list' && (list.length === 0 || list.length > BOUNDS.roots)) {
    node.fail(`expected 1 to ${BOUNDS.roots} roots, found ${list.length}`);
  }
  return list.slice(0, BOUNDS.roots).flatMap((item) => {
    const text = item.text();
    if (text === undefined) return [];
    return placed(item, isRootId(text) ? text : readKeyPath(item)) ?? [];
  });
}

/** The id of the key that a file pins: a public key, or a certificate, whose key it is that counts. */
export function rootKeyOf(bytes: Uint8Array): Result<string> {
  const key = keyIn(bytes);
  return key.ok ? ok(notaryKeyId(key.value)) : key;
}

function keyIn(bytes: Uint8Array): Result<PublicKey> {
  const blocks = parsePem(bytes);
  const [block, ...others] = blocks.ok ? blocks.value : [];
  if (block?.label !== 'CERTIFICATE') return parsePublicKey(bytes);
  const key = others.length === 0 ? parseCertificate(block.bytes)?.key : undefined;
  if (key !== undefined && key !== null) return ok(key);
  return refuse('KEY_INVALID', 'expected one root certificate with an accepted key (PEM)');
}
