import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { MadeOutput } from "../outputs/make-output.ts";
import { outputFile } from "../outputs/output-names.ts";
import type { GuestDescription } from "./make-guest.ts";

/** Describes how to start the guest in `directory`. */
export async function startInstructions(directory: string): Promise<string> {
  const guest: GuestDescription = JSON.parse(await readFile(join(directory, "guest.json"), "utf8"));
  const { profile, modules, root, starts } = guest;
  const lines = [`${profile}, in ${directory}: ${guest.files.join(", ")}`, ...verityLines(root)];
  if (modules.length > 0) lines.push(`modules: ${modules.join(" ")}`);
  for (const { machine, command, note } of starts) {
    lines.push(`${machine}: ${command.map(quoted).join(" ")}`);
    if (note !== undefined) lines.push(`  ${note}`);
  }
  return `${lines.join("\n")}\n`;
}

/** Describes an output in `directory`. */
export async function outputText(directory: string, name: string): Promise<string> {
  const file = join(directory, outputFile(name));
  const made: MadeOutput = JSON.parse(await readFile(`${file}.json`, "utf8"));
  return [`${file} ${(made.size / 1024).toFixed(0)} KiB`, ...verityLines(made)].map((line) => `${line}\n`).join("");
}

function verityLines({ verity }: MadeOutput): readonly string[] {
  return verity === undefined ? [] : [`root hash: ${verity.rootHash}`];
}

/** Quotes a word for a shell. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
