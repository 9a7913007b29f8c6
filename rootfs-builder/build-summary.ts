import { join } from "node:path";
import { outputText, startInstructions } from "./profiles/start-instructions.ts";
import { sizeTable } from "./size-table.ts";
import type { BuildOptions } from "./steps/context.ts";

/** Returns the result of a build as text: sizes, and the command that starts a profile's guest. */
export async function buildSummary(to: string, options: BuildOptions): Promise<string> {
  const { formats = ["guest"], outputs = [], profile } = options;
  const texts = formats.length === 0 ? [] : [await sizeTable(to, formats)];
  if (profile !== undefined) return [...texts, await startInstructions(join(to, profile))].join("\n");
  for (const name of outputs) texts.push(await outputText(join(to, "outputs"), name));
  return texts.join("");
}
