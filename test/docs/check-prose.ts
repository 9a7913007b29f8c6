import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * `npm run check:prose`: the mechanical part of CONTRIBUTING.md's rules on prose. Prints each place that breaks one and exits
 * with 1.
 */

/** Folders whose doc comments keep the rule already. Once all do, this becomes the list of all folders with sources. */
const CLEAN = ["test/docs", "test/plans"];

const BAD_BEGINNING = /\/\*\*\s*(?:\*\s*)?(What|Of|Those|As|It is)\b/g;
const MAX_WORDS = 30;

const repository = join(import.meta.dirname, "../..");
const IGNORED = ["**/node_modules", "**/build", "**/gen"];

const problems = [...CLEAN.flatMap(badComments), ...files("**/*.md").flatMap(longCells)];
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;

function files(pattern: string): string[] {
  return globSync(pattern, { cwd: repository, exclude: IGNORED }).toSorted();
}

function badComments(folder: string): string[] {
  return files(`${folder}/**/*.ts`).flatMap((path) => {
    const text = readFileSync(join(repository, path), "utf8");
    return Array.from(text.matchAll(BAD_BEGINNING), ({ 1: words, index }) => {
      const line = text.slice(0, index).split("\n").length;
      return `${path}:${line}: a doc comment begins with "${words}"; begin with a verb or a noun (CONTRIBUTING.md)`;
    });
  });
}

function longCells(path: string): string[] {
  let inCode = false;
  return readFileSync(join(repository, path), "utf8")
    .split("\n")
    .flatMap((line, index) => {
      if (line.startsWith("```")) inCode = !inCode;
      if (inCode || !line.startsWith("|")) return [];
      return line
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim().split(/\s+/).length)
        .filter((words) => words > MAX_WORDS)
        .map((words) => `${path}:${index + 1}: a table cell has ${words} words, at most ${MAX_WORDS} are allowed`);
    });
}
