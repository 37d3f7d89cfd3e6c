import type { EncodedWrite } from './protocol.ts';

/** What a write takes besides its content. */
const OVERHEAD = 512;

/** About how many bytes of memory writes take until they are durable. */
export function sizeOf(writes: readonly EncodedWrite[]): number {
  return writes.reduce((sum, write) => sum + OVERHEAD + contentOf(write), 0);
}

/** By kind, so that a new one is thought of: what is not counted here nothing bounds while the disk is slow (T-59). */
function contentOf(write: EncodedWrite): number {
  switch (write.kind) {
    case 'event':
      return write.event.data.length;
    case 'hold-add':
      return write.hold.manifest.byteLength;
    case 'edges':
      return write.children.length * 80;
    case 'trust-files':
      return write.files.reduce((sum, file) => sum + 256 + file.bytes.byteLength, 0);
    case 'trust-entries':
      return write.entries.length * 256;
    case 'trust-statements':
      return write.statements.length * 128;
    case 'trust-changes':
      return write.changes.length * 256;
    case 'trust-pin':
      return write.pin.root.byteLength + write.pin.seen.size * 64;
    case 'server-key':
      return 1024;
    case 'server-key-used':
      return write.ids.length * 128;
    case 'server-key-sealed':
      return write.keys.length * 1024;
    case 'hold-move':
    case 'admitted':
    case 'pushed':
    case 'artifact':
    case 'artifact-gone':
    case 'revoke':
    case 'unrevoke':
    case 'trust-delete':
    case 'trust-reset':
      return 0;
  }
}
