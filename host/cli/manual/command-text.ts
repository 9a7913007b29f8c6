import type { EventEmitter } from "node:events";
import type { Command } from "commander";

/** Everything that a manual says about a command, from the definitions that `--help` prints too. */
export interface CommandText {
  /** Such as ["guestctl", "cores", "get"]. */
  readonly path: readonly string[];
  readonly summary: string;
  readonly description: string;
  /** Lines such as "guestctl ps [options]". */
  readonly usage: readonly string[];
  readonly arguments: readonly Term[];
  readonly options: readonly Term[];
  readonly commands: readonly Term[];
  readonly notes: readonly string[];
  readonly examples: readonly string[];
}

export interface Term {
  readonly term: string;
  readonly text: string;
}

/** Returns the texts of a command and all commands below it, in the order of the help. */
export function commandTexts(command: Command, parents: readonly string[] = []): readonly CommandText[] {
  const path = [...parents, command.name()];
  const help = command.createHelp();
  const own = help.visibleCommands(command).filter((each) => each.name() !== "help");
  const usage = `${path.join(" ")} ${command.usage()}`.split("\n").map((line) => line.trim());
  const text: CommandText = {
    path,
    usage,
    ...notesOf(command),
    summary: command.summary() || command.description().replace(/\.$/, ""),
    description: command.description(),
    arguments: help.visibleArguments(command).map((argument) => ({
      term: help.argumentTerm(argument),
      text: help.argumentDescription(argument),
    })),
    options: help.visibleOptions(command).map((option) => ({
      term: help.optionTerm(option),
      text: help.optionDescription(option),
    })),
    commands: own.map((each) => ({ term: each.name(), text: each.summary() })),
  };
  return [text, ...own.flatMap((each) => commandTexts(each, path))];
}

/** Returns the text after the options: paragraphs, and examples, which are indented. */
function notesOf(command: Command): Pick<CommandText, "notes" | "examples"> {
  let text = "";
  const write = (more: string) => {
    text += more;
  };
  // Commander keeps these texts as listeners; its types leave out that a command is an EventEmitter.
  (command as unknown as EventEmitter).emit("afterHelp", { error: false, command, write });
  const lines = text.trim().split("\n");
  const isExample = (line: string) => line.startsWith("  ");
  const paragraphs = lines.map((line) => (isExample(line) ? "" : line)).join("\n");
  return {
    notes: paragraphs
      .split(/\n{2,}/)
      .map((each) => each.trim())
      .filter((each) => each !== ""),
    examples: lines.filter(isExample).map((line) => line.trim()),
  };
}
