import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../../../src/oci/digest.ts';
import { isDigest } from '../../../src/oci/digest.ts';
import { tarLayer } from '../tar.ts';

// What podman and skopeo, both of the containers/image library, share.

/** A signature policy under which the client itself checks nothing: what refuses must be the gate. */
export function acceptAnything(folder: string): string {
  const file = join(folder, 'policy.json');
  writeFileSync(file, '{"default":[{"type":"insecureAcceptAnything"}]}');
  return file;
}

/** A root file system of one file, as a tar. */
export function writeRootfs(folder: string, content: string): string {
  const file = join(folder, 'rootfs.tar');
  writeFileSync(file, tarLayer({ content }));
  return file;
}

/** The digest in a `--digestfile`. */
export function readDigest(file: string): Digest | null {
  const text = readFileSync(file, 'utf8').trim();
  return isDigest(text) ? text : null;
}
