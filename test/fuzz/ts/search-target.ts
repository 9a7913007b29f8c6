import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Program } from "./engine/build-targets.ts";
import { runSearch, type SearchRun } from "./engine/run-search.ts";
import { targets } from "./targets/all.ts";

export const scriptTargets: readonly string[] = targets.map(({ name }) => name);

/** Returns the corpus file of a target: one input in base64 on each line, each reaching a branch that no other does. */
const corpusOf = (name: string): string => join(import.meta.dirname, "corpus", `${name}.txt`);
/** Returns the folder of inputs that once broke the target's promise, one in each file. */
const findingsOf = (name: string): string => join(import.meta.dirname, "../findings", name);

/** Returns a target's kept inputs, in base64. */
export function inputsOf(name: string): string[] {
  const corpus = existsSync(corpusOf(name)) ? readFileSync(corpusOf(name), "utf8").trim().split("\n") : [];
  const findings = existsSync(findingsOf(name)) ? readdirSync(findingsOf(name)) : [];
  return [...corpus, ...findings.map((file) => readFileSync(join(findingsOf(name), file), "base64"))];
}

interface SearchOptions {
  /** Seconds to search after the kept inputs have run; 0 runs only these. */
  readonly seconds: number;
  /** Adds inputs that reach something new to the corpus, and minimises it. */
  readonly grow?: boolean;
  readonly seed?: number;
}

/** Runs a target's kept inputs, then searches for others that break its promise. */
export async function searchTarget(program: Program, target: string, options: SearchOptions): Promise<SearchRun> {
  const { seconds, grow = false, seed = Date.now() >>> 0 } = options;
  const run = await runSearch(program.path, { target, kept: inputsOf(target), seconds, seed, grow });
  if (grow && run.corpus !== undefined && run.finding === undefined) {
    mkdirSync(dirname(corpusOf(target)), { recursive: true });
    writeFileSync(corpusOf(target), `${run.corpus.toSorted().join("\n")}\n`);
  }
  return run;
}

/** Returns how many branches of each file the inputs reached: "agent/device/uevent.ts: 20 of 20 branches". */
export function coverageLines({ branches }: Program, { reached }: SearchRun): string[] {
  const lines: string[] = [];
  for (const [file, [first, end]] of branches) {
    const count = reached.filter((id) => id >= first && id < end).length;
    if (count > 0) lines.push(`${file}: ${count} of ${end - first} branches`);
  }
  return lines.sort();
}
