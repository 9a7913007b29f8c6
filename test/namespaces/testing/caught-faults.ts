import { GROUPS } from "../../../host/conformance/groups.ts";
import { guestTarget } from "../../../host/conformance/target/guest-target.ts";
import type { Fault } from "../../conformance/faults/fault.ts";
import { type FaultResult, runFaults } from "../../conformance/faults/run-faults.ts";
import { ourTarget } from "./our-agent.ts";

export interface CaughtOptions {
  /** True to run the faults whose cases can't run in namespaces in a guest. */
  readonly guest?: boolean;
  readonly onResult?: (result: FaultResult) => void;
}

/** Runs the conformance suite's cases against our agent with each of the faults. */
export async function caughtFaults(
  faults: readonly Fault[],
  { guest = false, onResult = () => undefined }: CaughtOptions = {},
): Promise<readonly FaultResult[]> {
  const results = await runFaults(faults, { target: await ourTarget(), groups: GROUPS, onResult });
  const rest = faults.filter((_fault, at) => guest && results[at]?.cases === 0);
  if (rest.length === 0) return results;
  const booted = await runFaults(rest, { target: guestTarget(), groups: GROUPS, concurrency: 1, onResult });
  return results.map((result) => booted.find(({ fault }) => fault === result.fault) ?? result);
}
