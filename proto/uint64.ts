/**
 * Returns the exact value of a decoded uint64, between 0 and 2^64-1. 2^64-1 ("no limit") decodes as the number 2^64,
 * which becomes 2^64-1 again here. Truncates fractions.
 */
export function uint64(value: number): bigint {
  if (!(value > 0)) return 0n;
  return value >= 2 ** 64 ? 2n ** 64n - 1n : BigInt(Math.trunc(value));
}
