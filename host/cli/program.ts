import type { Command } from "commander";
import { beginAudit } from "./audit/noted-operation.ts";
import { COMMANDS } from "./commands.ts";
import { refuseDockerWords } from "./docker/docker-refusal.ts";
import { newProgram } from "./new-program.ts";

const HELP = `
A guest outlives the guestctl that started it. Commands find it by its record below
\${XDG_RUNTIME_DIR:-/tmp}/guestd-<uid>/. With several guests running, choose one with --guest NAME or --address ADDRESS.`;

/** Builds guestctl's command line, and loads only the command that the words name: help needs no more of the others than a summary. */
export function programFor(words: readonly string[]): Promise<Command> {
  const named = words[0] === "help" ? words[1] : words[0];
  return build((name) => name === named || COMMANDS[name]?.aliases?.includes(named ?? "") === true);
}

/**
 * Builds guestctl's whole command line. Usage errors are CommanderErrors; other errors are passed on as the commands throw
 * them.
 */
export function createProgram(): Promise<Command> {
  return build(() => true);
}

async function build(isLoaded: (name: string) => boolean): Promise<Command> {
  const program = newProgram("guestctl")
    .description("Boot guests and run containers in them with the guestd agent.")
    .addHelpText("after", HELP);
  for (const [name, { summary, aliases = [], isHidden = false, load }] of Object.entries(COMMANDS)) {
    if (isLoaded(name)) (await load())(program, programFor);
    else program.command(name, { hidden: isHidden }).aliases(aliases);
    program.commands.at(-1)?.summary(summary);
  }
  refuseDockerWords(program);
  program.hook("preAction", (_, command) => beginAudit(command));
  program.hook("preAction", async (_, command) => {
    if (command.name().startsWith("__")) return;
    const { superviseOrReport } = await import("./output/supervise-or-report.ts");
    await superviseOrReport();
  });
  return program;
}
