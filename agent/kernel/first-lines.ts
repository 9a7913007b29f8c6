const MAX_LINES = 16;

/** Caps warnings whose number the host controls: the first 16, and a line that counts the rest. */
export function firstLines(lines: readonly string[]): readonly string[] {
  if (lines.length <= MAX_LINES) return lines;
  return [...lines.slice(0, MAX_LINES), `${lines.length - MAX_LINES} more lines like these omitted`];
}
