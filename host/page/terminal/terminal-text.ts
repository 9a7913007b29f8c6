import type { Terminal } from "@xterm/xterm";

/** Returns all lines of a terminal, without the empty ones at its end. A line that was wrapped is one line. */
export function terminalText({ buffer: { active } }: Pick<Terminal, "buffer">): string {
  const lines: string[] = [];
  for (let index = 0; index < active.length; index++) {
    const line = active.getLine(index);
    if (line === undefined) continue;
    const isContinued = active.getLine(index + 1)?.isWrapped === true;
    const text = line.translateToString(!isContinued);
    if (line.isWrapped && lines.length > 0) lines[lines.length - 1] += text;
    else lines.push(text);
  }
  return lines.join("\n").trimEnd();
}
