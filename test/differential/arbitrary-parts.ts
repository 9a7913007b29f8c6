import fc from "fast-check";

/** Some of them, in order; at most `most`. */
export const subset = <T>(of: readonly T[], most = of.length): fc.Arbitrary<T[]> =>
  fc.subarray([...of], { maxLength: Math.min(most, of.length) });

/** Absent once in `freq` times. */
export const some = <T>(value: fc.Arbitrary<T>, freq = 2): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined, freq });

/** Empty, twice as often as not. */
export const seldom = <T>(list: fc.Arbitrary<T[]>): fc.Arbitrary<T[]> =>
  fc.oneof({ weight: 2, arbitrary: fc.constant<T[]>([]) }, list);
