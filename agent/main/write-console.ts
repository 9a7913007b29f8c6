import { constants, fstatSync, openSync, writeSync } from "node:fs";

/** How long a console that takes nothing is waited for, once until it takes something again. */
const PATIENCE_MS = 100;
const STDOUT = 1;

const sleeper = new Int32Array(new SharedArrayBuffer(4));
let descriptor: number | undefined;
let isStuck = false;

/**
 * Writes text to the console. Never throws, and never waits for long: a console that is gone, full or stopped (a tty's flow
 * control is anyone's who can open it) loses text, and is no reason to fail or to stand still.
 */
export function writeConsole(text: string): void {
  const bytes = Buffer.from(text);
  const end = performance.now() + (isStuck ? 0 : PATIENCE_MS);
  for (let written = 0; written < bytes.length; ) {
    try {
      written += writeSync(console(), bytes, written);
      isStuck = false;
    } catch (error) {
      isStuck = (error as NodeJS.ErrnoException).code === "EAGAIN";
      if (!isStuck || performance.now() >= end) return;
      Atomics.wait(sleeper, 0, 0, 1);
    }
  }
}

/** Standard output; a terminal is opened anew, for others that write to it may want to wait. */
function console(): number {
  descriptor ??= fstatSync(STDOUT).isCharacterDevice() ? opened() : STDOUT;
  return descriptor;
}

function opened(): number {
  try {
    return openSync(`/proc/self/fd/${STDOUT}`, constants.O_WRONLY | constants.O_NOCTTY | constants.O_NONBLOCK);
  } catch {
    return STDOUT;
  }
}
