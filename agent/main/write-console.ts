import { constants, fstatSync, openSync, writeSync } from "node:fs";

/** Limit for waiting on a console that takes no output; not repeated until it takes output again. */
const PATIENCE_MS = 100;
const STDOUT = 1;

const sleeper = new Int32Array(new SharedArrayBuffer(4));
let descriptor: number | undefined;
let isStuck = false;

/**
 * Writes text to the console. Never throws and never blocks for long: a console that is gone, full or stopped (anyone who can open a
 * tty can stop its flow) loses text instead.
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

/** Returns standard output. A terminal is reopened, so that its other writers keep blocking writes. */
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
