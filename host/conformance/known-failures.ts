import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { packageRoot } from "../../lib/package-root.ts";
import { reason } from "../../lib/reason.ts";
import type { CaseGroup } from "./case.ts";
import type { CaseResult } from "./results.ts";
import { UsageError } from "./usage-error.ts";

/** Reasons by case name: an agent's own list of cases that it fails. */
export type KnownFailures = ReadonlyMap<string, string>;

/** Lists that ship with the suite, by the name of their agent. */
const SHIPPED = ["kata-agent"];

/**
 * Reads a YAML file that maps case names to reasons, or a list that ships with the suite, by its name. Throws UsageError, also
 * for a case that doesn't exist.
 */
export function readKnownFailures(path: string, groups: readonly CaseGroup[]): KnownFailures {
  const shipped = join(packageRoot(), "host/conformance/known-failures", `${path}.yaml`);
  let content: unknown;
  try {
    content = parse(readFileSync(SHIPPED.includes(path) ? shipped : path, "utf8"));
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

/** Returns the list's reason for a result; undefined if it has none, or if the case passed and is listed as failing sometimes. */
export function knownFailureOf(
  list: KnownFailures | undefined,
  result: Pick<CaseResult, "name" | "state">,
): string | undefined {
  const why = list?.get(result.name);
  return result.state === "passed" && why?.startsWith("sometimes:") ? undefined : why;
}
