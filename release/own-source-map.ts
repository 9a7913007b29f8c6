import { decode, encode, type SourceMapSegment } from "@jridgewell/sourcemap-codec";

interface SourceMap {
  readonly sources: readonly string[];
  readonly names: readonly string[];
  readonly mappings: string;
}

const FOREIGN = /(^|\/)(node_modules|proto\/gen)\//;

/**
 * Returns a source map for stack traces, which need the line of each call: without the mappings of packages and generated code,
 * columns within a line, and names of identifiers. Undefined if nothing is left. Throws SyntaxError.
 */
export function ownSourceMap(text: string): string | undefined {
  const map: SourceMap = JSON.parse(text);
  const kept = map.sources.flatMap((source, index) => (FOREIGN.test(source) ? [] : [index]));
  if (kept.length === 0) return undefined;
  const places = new Map(kept.map((index, place) => [index, place]));
  const lines = decode(map.mappings).map((segments) => withoutRepeats(segments.map((one) => moved(one, places))));
  const sources = kept.map((index) => map.sources[index] ?? "");
  return `${JSON.stringify({ version: 3, sources, names: [], mappings: encode(lines) })}\n`;
}

/** Returns a segment with its source's new place; one that maps to nothing if the source is dropped. */
function moved(segment: SourceMapSegment, places: ReadonlyMap<number, number>): SourceMapSegment {
  const [column, source = -1, line = 0, originalColumn = 0] = segment;
  const place = places.get(source);
  return place === undefined ? [column] : [column, place, line, originalColumn];
}

/** Drops segments that map to the same line as the segment before them, or to nothing like it. */
function withoutRepeats(segments: readonly SourceMapSegment[]): SourceMapSegment[] {
  return segments.filter((one, at) => {
    const [, source, line] = one;
    const [, sourceBefore, lineBefore] = segments[at - 1] ?? [0];
    return source !== sourceBefore || line !== lineBefore;
  });
}
