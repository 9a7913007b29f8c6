import type { Command } from "commander";
import { terminalSize } from "../../engine/attach/local-terminal.ts";
import type { RunOptions } from "../../engine/image/image-config.ts";
import { CliError } from "../cli-error.ts";
import { envFile } from "./env-file.ts";
import { variables } from "./option-values.ts";

/** Flags of a process that `run` and `exec` share. */
export interface ProcessFlags {
  readonly interactive?: true;
  readonly tty?: true;
  readonly env?: readonly string[];
  readonly envFile?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
}

export function withProcessFlags(command: Command): Command {
  return command
    .option("-i, --interactive", "pass stdin to the process")
    .option("-t, --tty", "allocate a terminal")
    .option("-e, --env <NAME=value>", "set a variable; NAME alone takes its local value", variables)
    .option("--env-file <file>", "set the variables of a file's lines; --env has priority; repeatable", envFile)
    .option("-w, --workdir <path>", "working directory")
    .option("-u, --user <user>", "user name or number, optionally with :group");
}

/** Throws CliError if a terminal is requested but stdin can't provide keys; the message is Docker's. */
export function checkTerminal({ interactive, tty }: ProcessFlags): void {
  if (interactive && tty && !process.stdin.isTTY) throw new CliError("the input device is not a TTY; leave out -t");
}

/** Maps the flags to options of a spec. */
export function processOptions(flags: ProcessFlags): RunOptions {
  return {
    env: [...(flags.envFile ?? []), ...(flags.env ?? [])],
    cwd: flags.workdir,
    user: flags.user,
    ...(flags.tty ? { terminal: terminalSize() } : {}),
  };
}
