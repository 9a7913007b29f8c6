import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

const BAD_BEGINNING = /\/\*\*\s*(?:\*\s*)?(What|Of|Those|As|It is)\b/g;
const MAX_WORDS = 30;
const IGNORED = ["**/node_modules", "**/build", "**/gen"];

/**
 * Returns one line for each place that breaks the mechanical part of CONTRIBUTING.md's rules on prose: in doc comments
 * of the .ts and .tsx files in `folders`, and in table cells of the pages below `root`.
 */
export function proseProblems(root: string, folders: readonly string[]): string[] {
  const files = (pattern: string) => globSync(pattern, { cwd: root, exclude: IGNORED }).toSorted();
  const read = (path: string) => readFileSync(join(root, path), "utf8");
  return [
    ...folders.flatMap((folder) => files(`${folder}/**/*.{ts,tsx}`)).flatMap((path) => badComments(path, read(path))),
    ...files("**/*.md").flatMap((path) => longCells(path, read(path))),
  ];
}

function badComments(path: string, text: string): string[] {
  return Array.from(text.matchAll(BAD_BEGINNING), ({ 1: words, index }) => {
    const line = text.slice(0, index).split("\n").length;
    return `${path}:${line}: a doc comment begins with "${words}"; begin with a verb or a noun (CONTRIBUTING.md)`;
  });
}

function longCells(path: string, text: string): string[] {
  let inCode = false;
  return text.split("\n").flatMap((line, index) => {
    if (line.startsWith("```")) inCode = !inCode;
    if (inCode || !line.startsWith("|")) return [];
    return line
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim().split(/\s+/).length)
      .filter((words) => words > MAX_WORDS)
      .map((words) => `${path}:${index + 1}: a table cell has ${words} words; at most ${MAX_WORDS} are allowed`);
  });
}
