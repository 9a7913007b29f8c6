import type { IBufferCell, IBufferLine, Terminal } from "@xterm/headless";

/** Shows where the next character goes, in a terminal without colours. */
const CURSOR = "█";

/** Most characters of a cell that are shown, and most that it may have: a program can put any number of marks on one letter. */
const [SHOWN, MOST] = [16, 64];

/** True if a cell has so many marks that they only take memory. */
export function isOverfull({ buffer, rows, cols }: Terminal): boolean {
  const { active } = buffer;
  for (let row = 0; row < rows; row++) {
    const line = active.getLine(active.baseY + row);
    for (let column = 0; column < cols; column++)
      if ((line?.getCell(column)?.getChars().length ?? 0) > MOST) return true;
  }
  return false;
}

/** Returns the lines that a terminal shows, each with its own attributes as SGR sequences, or without any. */
export function terminalLines({ buffer, rows, cols }: Terminal, hasColors: boolean): readonly string[] {
  const { active } = buffer;
  const cursor = (row: number) => (row === active.cursorY ? Math.min(active.cursorX, cols - 1) : undefined);
  return Array.from({ length: rows }, (_, row) =>
    lineText(active.getLine(active.baseY + row), cols, cursor(row), hasColors),
  );
}

function lineText(line: IBufferLine | undefined, cols: number, cursor: number | undefined, hasColors: boolean): string {
  let [text, before] = ["", ""];
  for (let column = 0; column < cols; column++) {
    const cell = line?.getCell(column);
    if (cell?.getWidth() === 0) continue; // the second half of a wide character
    const chars = (cell?.getChars() || " ").slice(0, SHOWN);
    if (!hasColors) {
      text += column === cursor && chars === " " ? CURSOR : chars;
      continue;
    }
    const style = cell === undefined ? "" : styleOf(cell, column === cursor);
    if (style !== before) text += `\u001b[0${style}m`;
    before = style;
    text += chars;
  }
  return before === "" ? text : `${text}\u001b[0m`;
}

/** Returns the parameters of an SGR sequence, each after a semicolon. */
function styleOf(cell: IBufferCell, isCursor: boolean): string {
  const flags = [
    [cell.isBold(), 1],
    [cell.isDim(), 2],
    [cell.isItalic(), 3],
    [cell.isUnderline(), 4],
    [Boolean(cell.isInverse()) !== isCursor, 7],
    [cell.isStrikethrough(), 9],
  ] as const;
  const set = flags.filter(([is]) => is).map(([, code]) => `;${code}`);
  return [
    ...set,
    colorOf(38, cell.getFgColor(), cell.isFgRGB(), cell.isFgPalette()),
    colorOf(48, cell.getBgColor(), cell.isBgRGB(), cell.isBgPalette()),
  ].join("");
}

function colorOf(code: number, color: number, isRgb: boolean, isPalette: boolean): string {
  if (isRgb) return `;${code};2;${color >> 16};${(color >> 8) & 255};${color & 255}`;
  return isPalette ? `;${code};5;${color}` : "";
}
