import { RegistryError } from "../../../image/registry/registry-error.ts";
import { AgentError, type ErrorKind } from "../../kernel/error.ts";
import type { AccessSys } from "./confined-access.ts";
import type { ImageSettings } from "./image-settings.ts";
import { openImage } from "./open-image.ts";
import { copyPauseImage } from "./pause-image.ts";
import type { PullOptions } from "./pull-options.ts";
import { unpackImage } from "./unpack-image.ts";

/** One pull. This module is loaded by the first pull, along with everything that handles images, tar and HTTP. */
export interface Pull extends PullOptions {
  /** Exists and is empty. On failure it holds part of the image. */
  readonly directory: string;
}

/** Unpacks an image into a directory. Throws one line. */
export async function pullImage(
  sys: AccessSys,
  pull: Pull,
  settings: ImageSettings,
  callerSignal?: AbortSignal,
): Promise<void> {
  if (pull.isPause) return copyPauseImage(pull.directory);
  const timeout = AbortSignal.timeout(settings.timeoutMs);
  const signal = callerSignal === undefined ? timeout : AbortSignal.any([callerSignal, timeout]);
  try {
    await using image = await openImage(pull, settings, signal);
    await unpackImage(sys, image, pull.directory, signal);
  } catch (error) {
    if (callerSignal?.aborted === true) throw callerSignal.reason;
    if (timeout.aborted) {
      const why = `not finished within ${settings.timeoutMs / 1000} s (agent.image_pull_timeout)`;
      throw new AgentError("deadline-exceeded", `${nameOf(pull)}: ${why}`);
    }
    const why = (error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, " ");
    throw new AgentError(kindOf(error), `${nameOf(pull)}: ${why}`, { cause: error });
  }
}

function nameOf({ image, layout }: Pull): string {
  const from = layout === undefined ? "" : ` from ${layout}`;
  return `pull image ${JSON.stringify(image.slice(0, 200))}${from}`;
}

/** Returns the kind of the error, or of the cause of a layer's failure. */
function kindOf(error: unknown): ErrorKind {
  for (const each of [error, error instanceof Error ? error.cause : undefined])
    if (each instanceof AgentError || each instanceof RegistryError) return each.kind;
  return "internal";
}
