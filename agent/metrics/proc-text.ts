/** Gives the text of a file, or throws. */
export type ReadText = (path: string) => string;

/** The text, or undefined when the file can't be read: its metrics are left out then. */
export function tryRead(readText: ReadText, path: string): string | undefined {
  try {
    return readText(path);
  } catch {
    return undefined;
  }
}

/** Lines that say something. */
export function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line.trim() !== "");
}

/** A decimal number, or undefined for anything else. Above 2^53 it is rounded, as Prometheus itself would. */
export function toNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : undefined;
}

/** `Key: 12 kB` lines, as in /proc/meminfo, status and io: the key as written, the bare number and its unit ("" or "kB"). */
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

/** Pairs each name with the number in the same column; columns that an older kernel lacks count as 0. */
export function zipColumns(names: readonly string[], columns: readonly string[]): (readonly [string, number])[] {
  return names.map((name, index) => [name, toNumber(columns[index]) ?? 0]);
}
