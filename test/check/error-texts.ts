import { globSync, readFileSync } from "node:fs";

/** Edges of foreign programs. */
const EDGES: ReadonlySet<string> = new Set([
  "host/client/answer-reason.ts",
  "host/vm/start-failures.ts",
  "host/vm/vsock-device.ts",
  "host/text-kind.ts",
]);

/** Tests, and the suite that checks the texts of Kata's contract. */
const ELSEWHERE = /\.test\.tsx?$|\/testing\/|^host\/conformance\//;

/** An error's text, such as `(error as Error).message` and `reason(error)`. */
const TEXT = String.raw`(?:\.message\b|\b(?:reason|oneLine|messageOf)\(\w+\)|\b(?:message|messages)\b)\)?`;
const METHOD = String.raw`\s*\.\s*(?:includes|startsWith|endsWith|match|search|indexOf)\(`;
/** Undefined is no text. */
const EQUALITY = String.raw`\s*[!=]==?\s*(?!undefined|"")["'\x60\w]`;
const COMPARED = new RegExp(
  String.raw`${TEXT}(?:${METHOD}|${EQUALITY})|\.(?:test|exec)\(\s*(?:\(?[\w.]+(?: as \w+\))?)?${TEXT}\s*\)`,
  "g",
);

/** Returns the lines of a source file that compare the text of an error. */
export function comparedTexts(source: string): readonly number[] {
  return [...source.matchAll(COMPARED)].map(({ index }) => source.slice(0, index).split("\n").length);
}

/** Returns the places in host that may not compare an error's text, as lines for a terminal. */
export function errorTexts(root: string): readonly string[] {
  const files = globSync("host/**/*.{ts,tsx}", { cwd: root }).filter((file) => !ELSEWHERE.test(file));
  return files
    .filter((file) => !EDGES.has(file))
    .flatMap((file) => comparedTexts(readFileSync(`${root}/${file}`, "utf8")).map((line) => `${file}:${line}`));
}

if (import.meta.main) {
  const found = errorTexts(`${import.meta.dirname}/../..`);
  for (const each of found) console.error(`${each}: compares the text of an error; compare its kind, or its reason`);
  if (found.length > 0) process.exitCode = 1;
}
