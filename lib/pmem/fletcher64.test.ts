import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fletcher64 } from "./fletcher64.ts";

/** Computes the checksum by its definition, in numbers that can't overflow. */
function bySums(words: readonly number[]): bigint {
  let low = 0n;
  let high = 0n;
  for (const word of words) {
    low += BigInt(word);
    high += low;
  }
  return ((high & 0xffff_ffffn) << 32n) | (low & 0xffff_ffffn);
}

describe("fletcher64", () => {
  test("sums the words, and the sums", () => {
    const bytes = Buffer.from("010000000200000003000000", "hex");
    expect(fletcher64(bytes)).toBe((10n << 32n) | 6n);
  });

  test("agrees with its definition for any words", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 0xffff_ffff }), { maxLength: 200 }), (words) => {
        const bytes = Buffer.alloc(words.length * 4);
        for (const [index, word] of words.entries()) bytes.writeUInt32LE(word, index * 4);
        expect(fletcher64(bytes)).toBe(bySums(words));
      }),
    );
  });
});
