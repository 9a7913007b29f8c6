import { thisProcess } from "../../../lib/process-owner.ts";
import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import type { PreparedRun } from "../../engine/container/prepare-run.ts";
import type { ProcessRecord } from "../../engine/record/state-records.ts";
import type { ContainerFlags } from "../flags/container-flags.ts";
import { signalNumber } from "../flags/option-values.ts";
import type { ContainerRun } from "./run-container.ts";

/** Returns the record of a container that this process has created and will start. */
export function createdContainer(
  { Process: process }: Init<grpc.Spec>,
  prepared: PreparedRun,
  { id, image, flags, options, kept, output, volumes }: ContainerRun,
): ProcessRecord {
  return {
    container: id,
    exec: id,
    args: [...(process?.Args ?? [])],
    image,
    terminal: flags.tty === true,
    startedAt: new Date().toISOString(),
    rootfs: prepared.rootfs.host,
    ...(prepared.layer === undefined ? {} : { layer: prepared.layer }),
    env: [...(process?.Env ?? [])],
    cwd: process?.Cwd ?? "/",
    user: options.user ?? String(prepared.config["User"] ?? ""),
    keeper: thisProcess(),
    created: true,
    ...(kept === undefined ? {} : { kept: true, ...kept }),
    ...(output === undefined ? {} : { output }),
    ...stopping(flags, prepared),
    ...(flags.label === undefined ? {} : { labels: flags.label }),
    ...(volumes === undefined ? {} : { volumes }),
  };
}

/** Returns how `guestctl stop` ends the container, if the flags or the image say so. */
function stopping({ stopSignal, stopTimeout }: ContainerFlags, { config }: PreparedRun) {
  const signal = stopSignal ?? imageSignal(config["StopSignal"]);
  return {
    ...(signal === undefined ? {} : { stopSignal: signal }),
    ...(stopTimeout === undefined ? {} : { stopTimeout }),
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
