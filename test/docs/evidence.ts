import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { repository } from "./pages.ts";

/** Test files, test folders and npm scripts that show each promise, by promise. */
export type Promises = ReadonlyMap<string, readonly string[]>;

const file: Record<string, Record<string, string[]>> = parse(
  readFileSync(join(repository, "test/docs/evidence.yaml"), "utf8"),
);

/** Promises by page, or by page and section ("docs/kata.md#what-the-tests-show"). */
export const evidence: ReadonlyMap<string, Promises> = new Map(
  Object.entries(file).map(([place, promises]) => [place, new Map(Object.entries(promises))]),
);

/** Returns the promises of a page or section. Throws if evidence.yaml has none. */
export function promisesOf(place: string): Promises {
  const promises = evidence.get(place);
  if (promises === undefined) throw new Error(`test/docs/evidence.yaml has nothing for ${place}`);
  return promises;
}
