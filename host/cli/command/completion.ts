import { Argument, type Command } from "commander";
import type { Shell } from "../completion/shell-scripts.ts";
import type { ProgramFor } from "../new-program.ts";
import { print } from "../output/print.ts";

const HELP = `
Commands, options, choices, files and the names of guests, containers and images are completed.

  source <(guestctl completion bash)
  guestctl completion zsh > "\${fpath[1]}/_guestctl"
  guestctl completion fish > ~/.config/fish/completions/guestctl.fish`;

const SHELLS: readonly Shell[] = ["bash", "zsh", "fish"];

/** Adds `guestctl completion`. */
export function addCompletion(program: Command): void {
  program
    .command("completion")
    .description("Print a script that completes guestctl's command line in a shell.")
    .addArgument(new Argument("<shell>", "bash, zsh or fish").choices(SHELLS))
    .addHelpText("after", HELP)
    .action(async (shell: Shell) => {
      const { SHELL_SCRIPTS } = await import("../completion/shell-scripts.ts");
      await print(SHELL_SCRIPTS[shell]);
    });
}

/** Adds the hidden command that the scripts of `guestctl completion` call. `programFor` loads the command to complete. */
export function addComplete(program: Command, programFor: ProgramFor): void {
  program
    .command("__complete", { hidden: true })
    .description("List the completions of the last word, for the scripts of guestctl completion.")
    .argument("[words...]")
    .option("--line <text>", "the command line up to the cursor, instead of words")
    .action((words: readonly string[], flags: { readonly line?: string }) => list(programFor, words, flags));
}

async function list(
  programFor: ProgramFor,
  words: readonly string[],
  { line }: { readonly line?: string },
): Promise<void> {
  const { complete } = await import("../completion/complete.ts");
  const { currentNames } = await import("../completion/current-names.ts");
  const { splitLine } = await import("../completion/split-line.ts");
  const typed = line === undefined ? words : splitLine(line).slice(1);
  const { candidates, files } = await complete(await programFor(typed), typed, currentNames);
  const lines = candidates.map(({ value, about = "" }) => `${value}${about === "" ? "" : `\t${about}`}\n`);
  await print(`${lines.join("")}${files ? ":files\n" : ""}`);
}
