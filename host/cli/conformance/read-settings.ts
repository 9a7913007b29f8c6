import type { SuiteOptions } from "../../conformance/run-suite.ts";
import type { ConformanceFlags } from "./conformance-flags.ts";
import { parseSettings } from "./wrong-usage.ts";

/** Settings of a run that don't depend on the agent. */
export type SuiteSettings = Omit<SuiteOptions, "target" | "onResult">;

/** Reads the selection and the known failures. Throws CliError for wrong usage. */
export async function readSettings(flags: ConformanceFlags): Promise<SuiteSettings> {
  const { GROUPS, readKnownFailures, readSelection } = await import("../../conformance/index.ts");
  const { config, knownFailures, rootfs, guestRootfs } = flags;
  return {
    groups: GROUPS,
    selection: parseSettings(() => readSelection(config, process.env, selectionFlags(flags))),
    ...(knownFailures === undefined
      ? {}
      : { knownFailures: parseSettings(() => readKnownFailures(knownFailures, GROUPS)) }),
    rootfs,
    guestRootfs,
  };
}

/** Returns the flags that are settings of the selection. */
function selectionFlags(flags: ConformanceFlags): Readonly<Record<string, string>> {
  const { levels, groups, names, protocol, require, concurrency, timeLimit, seed } = flags;
  const settings = { levels, groups, names, protocol, require, concurrency, timeLimit, seed };
  return Object.fromEntries(
    Object.entries(settings).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}
