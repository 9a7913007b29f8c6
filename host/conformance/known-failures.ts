import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { reason } from "../../lib/reason.ts";
import type { CaseGroup } from "./case.ts";
import { UsageError } from "./usage-error.ts";

/** Reasons by case name: an agent's own list of cases that it fails. */
export type KnownFailures = ReadonlyMap<string, string>;

/** Reads a YAML file that maps case names to reasons. Throws UsageError, also for a case that doesn't exist. */
export function readKnownFailures(path: string, groups: readonly CaseGroup[]): KnownFailures {
  let content: unknown;
  try {
    content = parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new UsageError(`known failures ${path}: ${reason(error)}`);
  }
  if (content === null) return new Map();
  if (typeof content !== "object" || Array.isArray(content)) {
    throw new UsageError(`known failures ${path}: not a mapping of case names to reasons`);
  }
  const names = new Set(groups.flatMap(({ cases }) => cases.map(({ name }) => name)));
  return new Map(
    Object.entries(content as Readonly<Record<string, unknown>>).map(([name, why]) => {
      if (!names.has(name)) throw new UsageError(`known failures ${path}: no case has the name "${name}"; see --list`);
      if (typeof why !== "string" || why.trim() === "") {
        throw new UsageError(`known failures ${path}: "${name}" has no reason; write one`);
      }
      return [name, why.trim()];
    }),
  );
}
