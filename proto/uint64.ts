/**
 * The exact 64-bit value that a decoded uint64 stands for: the number itself, within 0 … 2^64-1. 2^64-1 ("no limit")
 * decodes as the number 2^64 and becomes 2^64-1 again here. Fractions are cut.
 */
export function uint64(value: number): bigint {
  if (!(value > 0)) return 0n;
  return value >= 2 ** 64 ? 2n ** 64n - 1n : BigInt(Math.trunc(value));
}
