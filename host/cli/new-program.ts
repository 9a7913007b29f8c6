import { Command } from "commander";
import packageJson from "../../package.json" with { type: "json" };

/** Creates a command line without commands. Usage errors are CommanderErrors, printed in one line. */
export function newProgram(name: string): Command {
  return new Command(name)
    .version(`${name} ${packageJson.version}`, "-v, --version", `print ${name}'s version`)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(`${name}: ${errorLine(text)}\n`) });
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
