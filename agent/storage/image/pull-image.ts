import { AgentError, type ErrorKind } from "../../kernel/error.ts";
import type { AccessSys } from "./confined-access.ts";
import type { ImageSettings } from "./image-settings.ts";
import { openImage } from "./open-image.ts";
import { copyPauseImage } from "./pause-image.ts";
import type { PullOptions } from "./pull-options.ts";
import { unpackImage } from "./unpack-image.ts";

/** What is loaded by the first pull: everything that knows images, tar and HTTP. */
export interface Pull extends PullOptions {
  /** Is there, and empty. On failure it holds a part of the image. */
  readonly directory: string;
}

/** Puts the files of an image into a directory. Throws one line. */
export async function pullImage(
  sys: AccessSys,
  pull: Pull,
  settings: ImageSettings,
  giveUp?: AbortSignal,
): Promise<void> {
  if (pull.isPause) return copyPauseImage(pull.directory);
  const tooLate = AbortSignal.timeout(settings.timeoutMs);
  const signal = giveUp === undefined ? tooLate : AbortSignal.any([giveUp, tooLate]);
  try {
    await using image = await openImage(pull, settings, signal);
    await unpackImage(sys, image, pull.directory, signal);
  } catch (error) {
    if (giveUp?.aborted === true) throw giveUp.reason;
    if (tooLate.aborted) {
      const why = `not done within ${settings.timeoutMs / 1000} s (agent.image_pull_timeout)`;
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

/** Of the error itself, or of what a layer's failure came from. */
function kindOf(error: unknown): ErrorKind {
  if (error instanceof AgentError) return error.kind;
  return error instanceof Error && error.cause instanceof AgentError ? error.cause.kind : "internal";
}
