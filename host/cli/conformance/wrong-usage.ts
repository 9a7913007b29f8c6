import { InvalidArgumentError } from "commander";
import { CliError } from "../cli-error.ts";

const WRONG_USAGE = 2;

/** Returns the error of a command line that the conformance suite can't follow. */
export function wrongUsage(message: string, cause?: unknown): CliError {
  return new CliError(message, { cause, exitCode: WRONG_USAGE });
}

/** Runs a parser of settings, whose errors are wrong usage. */
export function parseSettings<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw error;
    throw wrongUsage((error as Error).message, error);
  }
}
