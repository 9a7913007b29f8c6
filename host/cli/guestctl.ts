#!/usr/bin/env node
import { CommanderError } from "commander";
import { oneLine } from "../operation-error.ts";
import { exitCodeOf } from "./exit-code.ts";
import { print } from "./output/print.ts";
import { createProgram } from "./program.ts";
import { Interrupted } from "./run/interrupts.ts";

/** Runs the command line; the exit code of a run or exec is already in process.exitCode. */
async function main(): Promise<void> {
  try {
    await createProgram().parseAsync();
  } catch (error) {
    report(error);
    process.exitCode = exitCodeOf(error, process.argv[2]);
  }
  // Exit explicitly: a stdin that has been read keeps the process alive.
  await print("");
  process.exit();
}

/** Prints an error, unless Commander has printed it or a signal caused it. */
function report(error: unknown): void {
  if (error instanceof CommanderError || error instanceof Interrupted) return;
  process.stderr.write(`guestctl: ${oneLine(error)}\n`);
}

// A reader may close our output early; the writer notices on its own.
process.stdout.on("error", () => undefined);
process.stderr.on("error", () => undefined);
await main();
