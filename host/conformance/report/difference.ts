/** A line of two texts: in both, or in one of them only. */
export interface DifferenceLine {
  readonly side: "both" | "expected" | "actual";
  readonly text: string;
}

/** Longest texts that are compared line by line. */
const MAX_LINES = 300;

/** Returns the lines of two values as JSON, with those that differ marked: a longest common subsequence. */
export function differenceLines(expected: unknown, actual: unknown): readonly DifferenceLine[] {
  const [a, b] = [expected, actual].map((value) => linesOf(value));
  if (a === undefined || b === undefined) return [];
  const lengths = commonLengths(a, b);
  const lines: DifferenceLine[] = [];
  for (let [i, j] = [0, 0]; i < a.length || j < b.length; ) {
    const same = i < a.length && j < b.length && a[i] === b[j];
    const skipsExpected = j >= b.length || (i < a.length && at(lengths, i + 1, j) >= at(lengths, i, j + 1));
    if (same) lines.push({ side: "both", text: a[i] ?? "" });
    else if (skipsExpected) lines.push({ side: "expected", text: a[i] ?? "" });
    else lines.push({ side: "actual", text: b[j] ?? "" });
    if (same || skipsExpected) i++;
    if (same || !skipsExpected) j++;
  }
  return lines;
}

/** Formats a value as JSON, and a text as its lines. */
function linesOf(value: unknown): readonly string[] {
  if (value === undefined) return [];
  const text = typeof value === "string" ? value : (JSON.stringify(value, undefined, 2) ?? String(value));
  const lines = text.split("\n");
  return lines.length > MAX_LINES ? [...lines.slice(0, MAX_LINES), "…"] : lines;
}

/** Returns the lengths of the longest common subsequences of all ends of two lists. */
function commonLengths(a: readonly string[], b: readonly string[]): readonly Uint16Array[] {
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    const row = lengths[i] ?? new Uint16Array();
    for (let j = b.length - 1; j >= 0; j--) {
      row[j] = a[i] === b[j] ? at(lengths, i + 1, j + 1) + 1 : Math.max(at(lengths, i + 1, j), at(lengths, i, j + 1));
    }
  }
  return lengths;
}

function at(lengths: readonly Uint16Array[], i: number, j: number): number {
  return lengths[i]?.[j] ?? 0;
}
