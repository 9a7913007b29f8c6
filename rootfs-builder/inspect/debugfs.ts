import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BuildError } from "../build-error.ts";
import { run } from "../run.ts";
import { PATIENCE } from "./bounds.ts";
import { shown } from "./check.ts";

/** What debugfs says of the file `image` in `work` to a command for each number, which goes into it for "#". Lines that begin with `passed` are no errors. */
export async function debugfs(
  work: string,
  command: string,
  numbers: Iterable<number>,
  passed?: string,
): Promise<string> {
  const lines = [...numbers].map((number) => `${command.replaceAll("#", String(number))}\n`);
  if (lines.length === 0) return "";
  await writeFile(join(work, "commands"), lines.join(""));
  const output = await run("debugfs", ["-f", "commands", "image"], { ...PATIENCE, cwd: work, bothOutputs: true });
  const text = output.toString("latin1");
  const isFine = (line: string) => /^(debugfs[ :]|[0-7]{4,} |\*$)/.test(line) || (passed && line.startsWith(passed));
  const failed = text.split("\n").find((line) => line !== "" && !isFine(line));
  if (failed !== undefined) throw new BuildError(`ext4: debugfs: ${shown(failed)}`);
  return text;
}
