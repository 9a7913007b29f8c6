import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { FOLDERS } from "./product-files.ts";

/** Draws `count` lines of each folder's files. The same seed draws the same ones. Returns FILE:LINE-LINE. */
export function sampleLines(tree: string, files: readonly string[], count: number, seed: string): string[] {
  return FOLDERS.flatMap((folder) => {
    const sources = files.filter((file) => file.startsWith(`${folder}/`));
    return linesOf(tree, sources).sort(by(seed)).slice(0, count);
  });
}

function linesOf(tree: string, files: readonly string[]): string[] {
  return files.flatMap((file) => {
    const { length } = readFileSync(join(tree, file), "utf8").split("\n");
    return Array.from({ length }, (_, index) => `${file}:${index + 1}-${index + 1}`);
  });
}

function by(seed: string) {
  const digest = (line: string) => createHash("sha256").update(`${seed} ${line}`).digest("hex");
  return (a: string, b: string) => (digest(a) < digest(b) ? -1 : 1);
}
