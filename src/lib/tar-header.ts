/**
 * True where the bytes begin with a tar header (POSIX.1-2024 pax, "ustar Interchange Format": the
 * checksum at 148 is the sum of the 512 bytes, its own taken as spaces). A JSON string or a CBOR
 * byte string can hold one, and old engines unpack whatever they find, whatever its media type.
 */
export function beginsWithTar(bytes: Uint8Array): boolean {
  if (bytes.byteLength < 512) return false;
  const field = Buffer.from(bytes.subarray(148, 156)).toString('latin1');
  const written = /^[ \0]*([0-7]+)/.exec(field)?.[1];
  if (written === undefined) return false;
  let unsigned = 0;
  let signed = 0;
  for (let at = 0; at < 512; at++) {
    const byte = at >= 148 && at < 156 ? 0x20 : (bytes[at] ?? 0);
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  const sum = Number.parseInt(written, 8);
  return sum === unsigned || sum === signed;
}
