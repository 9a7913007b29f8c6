import { execFileSync } from "node:child_process";

/** What a terminal of unknown size gets. */
const DEFAULT_SIZE = { rows: 24, columns: 80 };

export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** Size of the terminal that we write to. */
export function terminalSize(output: NodeJS.WriteStream = process.stdout): TerminalSize {
  const { rows = 0, columns = 0 } = output;
  return rows > 0 && columns > 0 ? { rows, columns } : DEFAULT_SIZE;
}

/**
 * Our terminal becomes the process's: keys go there as they are pressed, ^C too, and `resize` is told now and on each
 * change of size. Undone by disposal. Where stdin or stdout is no terminal that part is left out.
 */
export function lendTerminal(interactive: boolean, resize: (size: TerminalSize) => void): Disposable {
  const raw = interactive && process.stdin.isTTY;
  if (raw) {
    process.stdin.setRawMode(true);
    keepOutputAsItIs();
  }
  const onResize = () => resize(terminalSize());
  if (process.stdout.isTTY) process.stdout.on("resize", onResize);
  onResize();
  return {
    [Symbol.dispose]() {
      process.stdout.off("resize", onResize);
      if (raw) process.stdin.setRawMode(false);
    },
  };
}

/** Node's raw mode still turns a line feed into two characters, which breaks programs that draw on the whole screen. */
function keepOutputAsItIs(): void {
  try {
    execFileSync("stty", ["-opost"], { stdio: ["inherit", "ignore", "ignore"] });
  } catch {
    // Lines still look right.
  }
}
