import { execFileSync } from "node:child_process";

/** Fallback for a terminal whose size is unknown. */
const DEFAULT_SIZE = { rows: 24, columns: 80 };

export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** Returns the size of the terminal that stdout writes to. */
export function terminalSize(output: NodeJS.WriteStream = process.stdout): TerminalSize {
  const { rows = 0, columns = 0 } = output;
  return rows > 0 && columns > 0 ? { rows, columns } : DEFAULT_SIZE;
}

/**
 * Connects our terminal to the process until disposed: passes on each key at once, including ^C, and calls `resize` now
 * and on each change of size. Skips whichever of stdin and stdout is not a terminal.
 */
export function lendTerminal(interactive: boolean, resize: (size: TerminalSize) => void): Disposable {
  const raw = interactive && process.stdin.isTTY;
  if (raw) {
    process.stdin.setRawMode(true);
    disableOutputProcessing();
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

/**
 * Turns off the translation of line feeds to CR LF, which Node's raw mode leaves on and full-screen programs can't
 * handle.
 */
function disableOutputProcessing(): void {
  try {
    execFileSync("stty", ["-opost"], { stdio: ["inherit", "ignore", "ignore"] });
  } catch {
    // Without stty, line output still looks right.
  }
}
