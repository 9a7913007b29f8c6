import { decode, encode, type SourceMapSegment } from "@jridgewell/sourcemap-codec";

interface SourceMap {
  readonly sources: readonly string[];
  readonly names: readonly string[];
  readonly mappings: string;
}

const FOREIGN = /(^|\/)(node_modules|proto\/gen)\//;

/**
 * Returns a source map without the mappings of packages and generated code, which are the larger part, without the
 * names of identifiers, which stack traces don't use, and with one column for each line. Throws SyntaxError.
 */
export function ownSourceMap(text: string): string {
  const map: SourceMap = JSON.parse(text);
  const kept = map.sources.flatMap((source, index) => (FOREIGN.test(source) ? [] : [index]));
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

/** Drops segments that map to the same line as the segment before them, or like it to nothing. */
function withoutRepeats(segments: readonly SourceMapSegment[]): SourceMapSegment[] {
  return segments.filter((one, at) => {
    const [, source, line] = segments[at - 1] ?? [];
    return one[1] !== source || one[2] !== line;
  });
}
