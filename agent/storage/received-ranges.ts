/** Received bytes, from `start` up to but excluding `end`. */
export type Range = readonly [start: number, end: number];

/** Size of the trailer behind the content of an incomplete file. */
export const TRAILER_BYTES = 4096;
const WORD = 8;
/** The trailer begins with the final file size and the number of ranges. */
const HEADER_WORDS = 2;
const MAX_RANGES = (TRAILER_BYTES / WORD - HEADER_WORDS) / 2;

/** Adds a range. The result is sorted and no two ranges touch. Undefined if a trailer can't hold them all. */
export function withRange(ranges: readonly Range[], [start, end]: Range): readonly Range[] | undefined {
  const touching = ranges.filter((range) => range[0] <= end && range[1] >= start);
  const joined = [
    Math.min(start, ...touching.map((range) => range[0])),
    Math.max(end, ...touching.map((range) => range[1])),
  ] as const;
  const apart = ranges.filter((range) => !touching.includes(range));
  const all = joined[0] === joined[1] ? apart : [...apart, joined].toSorted((a, b) => a[0] - b[0]);
  return all.length > MAX_RANGES ? undefined : all;
}

export function encodeTrailer(fileSize: number, ranges: readonly Range[]): Buffer {
  const trailer = Buffer.alloc(TRAILER_BYTES);
  for (const [index, word] of [fileSize, ranges.length, ...ranges.flat()].entries()) {
    trailer.writeDoubleLE(word, index * WORD);
  }
  return trailer;
}

/** Returns undefined if this is not a valid trailer for a file of this size. */
export function decodeTrailer(trailer: Buffer, fileSize: number): readonly Range[] | undefined {
  if (trailer.length !== TRAILER_BYTES || trailer.readDoubleLE(0) !== fileSize) return undefined;
  const count = trailer.readDoubleLE(WORD);
  if (!Number.isInteger(count) || count < 0 || count > MAX_RANGES) return undefined;
  const ranges = Array.from({ length: count }, (_, index): Range => {
    const at = (HEADER_WORDS + 2 * index) * WORD;
    return [trailer.readDoubleLE(at), trailer.readDoubleLE(at + WORD)];
  });
  let last = -1;
  for (const [start, end] of ranges) {
    if (!Number.isInteger(start) || !Number.isInteger(end) || start <= last || end <= start) return undefined;
    last = end;
  }
  return last > fileSize ? undefined : ranges;
}
