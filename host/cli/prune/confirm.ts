import { createInterface } from "node:readline/promises";
import { CliError } from "../cli-error.ts";

/** Flag of commands that remove what they choose themselves. */
export interface ForceFlags {
  readonly force?: true;
}

/** Asks on the terminal whether to remove `what`. Throws CliError if the answer isn't yes, or if there is no terminal. */
export async function confirm(command: string, what: readonly string[], { force }: ForceFlags): Promise<void> {
  if (force) return;
  const nothing = `${command}: nothing was removed`;
  if (!process.stdin.isTTY) throw new CliError(`${nothing}; stdin is no terminal to ask on: repeat with --force`);
  const list = what.map((each) => `  - ${each}\n`).join("");
  using lines = createInterface({ input: process.stdin, output: process.stderr });
  // Ctrl+C and Ctrl+D reject it.
  const answer = await lines.question(`This removes:\n${list}Continue? [y/N] `).catch(() => "");
  if (!/^y(es)?$/i.test(answer.trim())) throw new CliError(nothing);
}
