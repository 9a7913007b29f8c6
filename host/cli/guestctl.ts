#!/usr/bin/env node
import { CommanderError } from "commander";
import { oneLine } from "./cli-error.ts";
import { Interrupted } from "./interrupts.ts";
import { print } from "./print.ts";
import { createProgram } from "./program.ts";

/** The exit code of a run or exec is in process.exitCode. */
async function main(): Promise<void> {
  try {
    await createProgram().parseAsync();
  } catch (error) {
    process.exitCode = report(error);
  }
  // A stdin that was read would keep the process.
  await print("");
  process.exit();
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode;
  if (error instanceof Interrupted) return error.exitCode;
  process.stderr.write(`guestctl: ${oneLine(error)}\n`);
  return 1;
}

// Whoever reads our output may have enough of it: the writer finds out by itself.
process.stdout.on("error", () => undefined);
process.stderr.on("error", () => undefined);
await main();
