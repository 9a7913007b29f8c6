/** Returns a file's text or throws. */
export type ReadText = (path: string) => string;

/** Returns the text, or undefined if the file can't be read; its metrics are then left out. */
export function tryRead(readText: ReadText, path: string): string | undefined {
  try {
    return readText(path);
  } catch {
    return undefined;
  }
}

/** Returns the lines that are not empty. */
export function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line.trim() !== "");
}

/** Parses a decimal number; undefined for anything else. Rounds numbers above 2^53, as Prometheus does. */
export function toNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : undefined;
}

/**
 * Parses `Key: 12 kB` lines, as in /proc/meminfo, status and io, into the key as written, the number and its unit (""
 * or "kB").
 */
export function parseKeyLines(text: string): Map<string, { readonly value: number; readonly unit: string }> {
  const entries = new Map<string, { value: number; unit: string }>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon < 0) continue;
    const [number, unit = ""] = line
      .slice(colon + 1)
      .trim()
      .split(/\s+/);
    const value = toNumber(number);
    if (value !== undefined) entries.set(line.slice(0, colon), { value, unit });
  }
  return entries;
}

/** Pairs each name with the number in the same column. Columns that an older kernel lacks count as 0. */
export function zipColumns(names: readonly string[], columns: readonly string[]): (readonly [string, number])[] {
  return names.map((name, index) => [name, toNumber(columns[index]) ?? 0]);
}
