import type { PreparedRun } from "../../engine/container/prepare-run.ts";
import type { ProcessRecord } from "../../engine/record/state-records.ts";
import { signalNumber } from "../flags/option-values.ts";
import type { ContainerRun } from "./run-container.ts";

/** Returns what the record of a container says that only its flags, or its image, tell. */
export function recordFor(
  { config }: PreparedRun,
  { flags, kept, output, volumes }: ContainerRun,
): Partial<ProcessRecord> {
  return {
    ...(kept && { kept: true, ...kept }),
    output,
    stopSignal: flags.stopSignal ?? imageSignal(config["StopSignal"]),
    stopTimeout: flags.stopTimeout,
    labels: flags.label,
    volumes,
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
