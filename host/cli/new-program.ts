import { Command } from "commander";
import packageJson from "../../package.json" with { type: "json" };

/** Builds a command line with the command that the words name. */
export type ProgramFor = (words: readonly string[]) => Promise<Command>;

/** Creates a command line without commands. Usage errors are CommanderErrors, printed in one line. */
export function newProgram(name: string): Command {
  return new Command(name)
    .version(`${name} ${packageJson.version}`, "-v, --version", `print ${name}'s version`)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(`${name}: ${errorLine(text)}\n`) });
}

/** Runs the command that a line's words name. Throws what it throws, and CommanderError for an unknown command or option. */
export async function parseLine(program: Command, words: readonly string[]): Promise<void> {
  // With --help behind it, Commander would answer an unknown command with the general help.
  const line = isUnknown(program, words[0]) ? words.slice(0, 1) : words;
  await program.parseAsync(line, { from: "user" });
}

function isUnknown({ commands }: Command, word: string | undefined): boolean {
  if (word === undefined || word.startsWith("-") || word === "help" || commands.length === 0) return false;
  return !commands.some((command) => command.name() === word || command.aliases().includes(word));
}

/**
 * Joins "error: unknown option '--x'
 * (Did you mean --y?)" into one line.
 */
function errorLine(text: string): string {
  return text
    .trim()
    .replace(/^error: /, "")
    .replace(/\s*\n\s*/g, " ");
}
