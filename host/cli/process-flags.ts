import type { Command } from "commander";
import type { RunOptions } from "../image/image-config.ts";
import { CliError } from "./cli-error.ts";
import { terminalSize } from "./local-terminal.ts";
import { variables } from "./option-values.ts";

/** What `run` and `exec` say of a process. */
export interface ProcessFlags {
  readonly interactive?: true;
  readonly tty?: true;
  readonly env?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
}

export function withProcessFlags(command: Command): Command {
  return command
    .option("-i, --interactive", "send it our stdin")
    .option("-t, --tty", "give it a terminal")
    .option("-e, --env <NAME=value>", "set a variable; NAME alone passes ours on", variables)
    .option("-w, --workdir <path>", "its working directory")
    .option("-u, --user <user>", "a name or number of its user, with :group if need be");
}

/** Throws CliError for a terminal whose keys could never come, in Docker's words. */
export function checkTerminal({ interactive, tty }: ProcessFlags): void {
  if (interactive && tty && !process.stdin.isTTY) throw new CliError("the input device is not a TTY: leave out -t");
}

/** Their part of the options for a spec. */
export function processOptions(flags: ProcessFlags): RunOptions {
  return {
    env: flags.env ?? [],
    ...(flags.workdir === undefined ? {} : { cwd: flags.workdir }),
    ...(flags.user === undefined ? {} : { user: flags.user }),
    ...(flags.tty ? { terminal: terminalSize() } : {}),
  };
}
