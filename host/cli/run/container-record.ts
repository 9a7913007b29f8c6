import type { PreparedRun } from "../../engine/container/prepare-run.ts";
import type { ProcessRecord } from "../../engine/record/state-records.ts";
import type { ContainerFlags } from "../flags/container-flags.ts";
import { signalNumber } from "../flags/option-values.ts";

/** Returns fields of a container's record that its flags tell, or its image. */
export function recordFor({ config }: PreparedRun, flags: ContainerFlags): Partial<ProcessRecord> {
  return {
    stopSignal: flags.stopSignal ?? imageSignal(config["StopSignal"]),
    stopTimeout: flags.stopTimeout,
    labels: flags.label,
  };
}

/** Returns the number of an image's StopSignal; undefined if it has none, or one that doesn't exist. */
function imageSignal(text: unknown): number | undefined {
  try {
    return typeof text === "string" && text !== "" ? signalNumber(text) : undefined;
  } catch {
    return undefined;
  }
}
