import { readFileSync } from "node:fs";
import { ifThere } from "../lib/if-there.ts";
import type { ProcessRecord } from "./engine/record/state-records.ts";
import { OperationError } from "./operation-error.ts";

/** A container's record, which keeps its use of a volume after the process that has started it. */
export interface RecordedUse {
  /** Path of the record. */
  readonly record: string;
  /** Name of the volume in the record's list. */
  readonly volume: string;
}

/** True if the record exists and lists the volume. Throws if that can't be found out. */
export function isRecorded({ record, volume }: RecordedUse): boolean {
  const text = ifThere(() => readFileSync(record, "utf8"));
  if (text === undefined) return false;
  const { volumes = [] } = parse(record, text);
  // A folder of the host begins with a slash there.
  return volumes.some((each) => each.startsWith(`${volume}:`));
}

function parse(record: string, text: string): Partial<ProcessRecord> {
  try {
    return JSON.parse(text) as Partial<ProcessRecord>;
  } catch (error) {
    throw new OperationError(`${record}: the record is damaged; remove the file`, { cause: error });
  }
}
