import { readFileSync } from "node:fs";
import { InvalidArgumentError } from "commander";
import { oneLine } from "../../operation-error.ts";
import { variables } from "./option-values.ts";

/**
 * Reads a file of variables as Docker does: one in each line, as for --env, without quotes; empty lines and lines that begin
 * with # are skipped. Appends them. Throws InvalidArgumentError that names the file and line.
 */
export function envFile(path: string, before: readonly string[] = []): readonly string[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new InvalidArgumentError(oneLine(error));
  }
  return text.split(/\r?\n/).reduce((all, line, index) => {
    const trimmed = line.trimStart();
    if (trimmed === "" || trimmed.startsWith("#")) return all;
    const [name = ""] = trimmed.split("=", 1);
    if (name === "" || /\s/.test(name))
      throw new InvalidArgumentError(`Line ${index + 1} of ${path} is not NAME=value.`);
    return variables(trimmed, all);
  }, before);
}
