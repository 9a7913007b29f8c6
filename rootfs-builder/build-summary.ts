import { join } from "node:path";
import { guestText, outputText } from "./profiles/guest-text.ts";
import { sizeTable } from "./size-table.ts";
import type { BuildOptions } from "./steps/context.ts";

/** What came of a build, as lines for people: sizes, and how a profile's guest is started. */
export async function buildSummary(to: string, options: BuildOptions): Promise<string> {
  const { formats = ["guest"], outputs = [], profile } = options;
  const texts = formats.length === 0 ? [] : [await sizeTable(to, formats)];
  if (profile !== undefined) return [...texts, await guestText(join(to, profile))].join("\n");
  for (const name of outputs) texts.push(await outputText(join(to, "outputs"), name));
  return texts.join("");
}
