import { capabilityMask } from "../capabilities.ts";
import { RLIMITS } from "../constants.ts";
import type { PlanOp } from "../init/plan.ts";
import type { Fd, LaunchRequest } from "../kernel.ts";
import { FILE_HANDLES } from "./file-protocol.ts";

/** Command in the label of a file server. */
export const FILES_COMMAND = "files";

/** Reaches files of any owner, changes owners and modes, and sets file capabilities. */
const EVERYTHING = capabilityMask(["CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "SETFCAP"]);
/** Reaches files of any owner. */
const READING = capabilityMask(["DAC_READ_SEARCH"]);
/** Addresses are memory: a server needs its program, two messages and its stack. */
const MEMORY_BYTES = 64n << 20n;

const limit = (name: string, most: bigint): PlanOp => ({
  ...{ op: "rlimit", resource: RLIMITS.indexOf(`RLIMIT_${name}`), soft: most, hard: most },
});

const planWith = (capabilities: bigint): readonly PlanOp[] => [
  { op: "setsid" },
  limit("NOFILE", BigInt(FILE_HANDLES + 64)),
  limit("AS", MEMORY_BYTES),
  limit("CORE", 0n),
  { op: "serve-files", root: 1, socket: 2, capabilities },
];
const PLANS = { everything: planWith(EVERYTHING), reading: planWith(READING) };
export type Duty = keyof typeof PLANS;

/** Returns the launch of a process that serves the files below `root`. */
export function servingRequest(
  id: number,
  { container, duty }: { readonly container: string; readonly duty: Duty },
  { report, root, socket }: { readonly report: Fd; readonly root: Fd; readonly socket: Fd },
): LaunchRequest {
  const label = JSON.stringify({ container, exec: "", command: FILES_COMMAND });
  return {
    id,
    plan: PLANS[duty],
    slots: [report, root, socket],
    reportSlot: 0,
    newPidNamespace: false,
    keep: {},
    label,
  };
}
