#!/usr/bin/env node
import { CommanderError } from "commander";
import { oneLine } from "./cli-error.ts";
import { exitCodeOf } from "./exit-code.ts";
import { Interrupted } from "./interrupts.ts";
import { print } from "./print.ts";
import { createProgram } from "./program.ts";

/** The exit code of a run or exec is in process.exitCode. */
async function main(): Promise<void> {
  try {
    await createProgram().parseAsync();
  } catch (error) {
    report(error);
    process.exitCode = exitCodeOf(error, process.argv[2]);
  }
  // A stdin that was read would keep the process.
  await print("");
  process.exit();
}

/** Commander has printed its own; whoever sent a signal knows. */
function report(error: unknown): void {
  if (error instanceof CommanderError || error instanceof Interrupted) return;
  process.stderr.write(`guestctl: ${oneLine(error)}\n`);
}

// Whoever reads our output may have enough of it: the writer finds out by itself.
process.stdout.on("error", () => undefined);
process.stderr.on("error", () => undefined);
await main();
