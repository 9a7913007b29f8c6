import { type Command, CommanderError } from "commander";
import { Interrupted } from "../engine/attach/interrupts.ts";
import { oneLine } from "../operation-error.ts";
import { exitCodeOf } from "./exit-code.ts";
import { parseLine } from "./new-program.ts";
import { print } from "./output/print.ts";

/**
 * Runs a command line and ends the process; the exit code of a run or exec is already in process.exitCode.
 * @param words arguments, without Node and the script
 */
export async function runMain(program: Command, words: readonly string[]): Promise<void> {
  // A reader may close our output early; the writer notices on its own.
  process.stdout.on("error", () => undefined);
  process.stderr.on("error", () => undefined);
  try {
    await parseLine(program, words);
  } catch (error) {
    report(program.name(), error);
    process.exitCode = exitCodeOf(error, words[0]);
  }
  // Exit explicitly: a stdin that has been read keeps the process alive.
  await print("");
  process.exit();
}

/** Prints an error, unless Commander has printed it or a signal caused it. */
function report(name: string, error: unknown): void {
  if (error instanceof CommanderError || error instanceof Interrupted) return;
  process.stderr.write(`${name}: ${oneLine(error)}\n`);
}
