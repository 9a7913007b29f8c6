import { sizeText } from "../../size-text.ts";
import { print } from "../output/print.ts";

/** Removed things, as the user knows them, and the bytes of the disk that they had. */
export interface Pruned {
  readonly names: readonly string[];
  readonly bytes: number;
}

/** Prints one line for each removed thing, and the sum of their bytes. */
export async function printPruned(all: Readonly<Record<string, Pruned>>): Promise<void> {
  const lines = Object.entries(all).flatMap(([kind, { names }]) => names.map((name) => `${kind} ${name}\n`));
  const bytes = Object.values(all).reduce((sum, pruned) => sum + pruned.bytes, 0);
  await print(`${lines.join("")}reclaimed ${sizeText(bytes)}\n`);
}
