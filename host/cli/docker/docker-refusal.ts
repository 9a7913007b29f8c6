import type { Command } from "commander";
import { COMMAND_OPTIONS } from "./command-options.ts";
import { DOCKER_COMMANDS } from "./docker-commands.ts";
import type { SupportTable } from "./support.ts";

/** Groups of commands that docker has too, with the words of what to use instead of a command that ours lacks. */
const GROUPS: Readonly<Record<string, string>> = {
  container: "leave the word out: guestctl run, ps, rm, …",
  image: "containers' images are guestctl images, pull and rmi",
  system: "use guestctl events, or guestctl doctor",
};
/** Commands of docker's groups that are none without the group. */
const ONLY_IN_GROUPS = ["ls", "list", "rm"];

/** Makes a program refuse docker's commands and options, which it lacks, with the word of what to use instead. */
export function refuseDockerWords(program: Command): void {
  explain(program, (text) => {
    const [, word = ""] = /^error: unknown command '([^']*)'/.exec(text) ?? [];
    return refusal(DOCKER_COMMANDS, word);
  });
  for (const [name, instead] of Object.entries(GROUPS)) {
    const group = program.commands.find((command) => command.name() === name);
    if (group === undefined) continue;
    explain(group, (text) => {
      const [, word = ""] = /^error: unknown command '([^']*)'/.exec(text) ?? [];
      const isDockers = word in DOCKER_COMMANDS || ONLY_IN_GROUPS.includes(word);
      return isDockers ? `${name} ${word}: not supported; ${instead}` : undefined;
    });
  }
  for (const command of program.commands) {
    const options = COMMAND_OPTIONS[command.name()];
    if (options === undefined) continue;
    explain(command, (text) => {
      const [, word = ""] = /^error: unknown option '(--?[^'=]*)/.exec(text) ?? [];
      const line = refusal(options, word);
      return line === undefined ? undefined : `${command.name()}: ${line}`;
    });
  }
}

/** Replaces errors for which `explanation` has another line. */
function explain(command: Command, explanation: (text: string) => string | undefined): void {
  const { outputError } = command.configureOutput();
  command.configureOutput({ outputError: (text, write) => outputError?.(explanation(text) ?? text, write) });
}

function refusal(table: SupportTable, word: string): string | undefined {
  const name = Object.keys(table).find((key) => key.split(", ").includes(word));
  const support = name === undefined ? undefined : table[name];
  return support === undefined || support.isSupported ? undefined : `${word}: not supported; ${support.instead}`;
}
