/** More of them tell nobody more. */
const MOST = 16;

/** Lines for the log of which a host decides how many there are: the first, and how many more there were. */
export function firstLines(lines: readonly string[]): readonly string[] {
  if (lines.length <= MOST) return lines;
  return [...lines.slice(0, MOST), `${lines.length - MOST} more of such lines are left out`];
}
