import { rmSync } from "node:fs";
import { GROUPS } from "../../../host/conformance/groups.ts";
import { makeWorkDirectory } from "../../clean-up/work-directory.ts";
import type { Fault } from "../../conformance/faults/fault.ts";
import { type FaultResult, runFaults } from "../../conformance/faults/run-faults.ts";
import { ourTarget } from "./our-agent.ts";

/** Runs the conformance suite's cases against our agent with each of the faults. */
export async function caughtFaults(
  faults: readonly Fault[],
  onResult: (result: FaultResult) => void = () => undefined,
): Promise<readonly FaultResult[]> {
  const directory = makeWorkDirectory("faults");
  try {
    return await runFaults(faults, { target: await ourTarget(directory), groups: GROUPS, onResult });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
