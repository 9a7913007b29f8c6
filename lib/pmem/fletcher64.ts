/** Returns the checksum of NVDIMM labels and superblocks: two sums modulo 2^32 over 32-bit little-endian words. */
export function fletcher64(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let low = 0;
  let high = 0;
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    low = (low + view.getUint32(at, true)) >>> 0;
    high = (high + low) >>> 0;
  }
  return (BigInt(high) << 32n) | BigInt(low);
}
