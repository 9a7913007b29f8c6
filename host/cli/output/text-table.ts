import { visibleLine } from "../../visible.ts";

/**
 * Formats rows as columns, each padded to its longest cell of at most `widest` characters; the last column is not
 * padded. Escapes control characters, since cells may come from a guest.
 */
export function textTable(cells: readonly (readonly string[])[], widest = Number.POSITIVE_INFINITY): string {
  const rows = cells.map((row) => row.map(visibleLine));
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, { length }] of row.entries()) {
      if (length <= widest) widths[at] = Math.max(widths[at] ?? 0, length);
    }
  }
  const line = (row: readonly string[]) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("  ");
  return rows.map((row) => `${line(row).trimEnd()}\n`).join("");
}

/** Formats the time since an ISO time: "5 s", "3 min", "2 h", "4 d". */
export function ageText(since: string, now = Date.now()): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(since)) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}
