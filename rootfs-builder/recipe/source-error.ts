import { ImageError } from "../../image/image-error.ts";
import { reason } from "../../lib/reason.ts";
import { BuildError, hasCode } from "../build-error.ts";
import type { Source } from "./recipe.ts";
import { sourceName } from "./source-name.ts";

/** What is thrown for a failure with a source: one line that names it. What is no failure of a source stays as it is. */
export function sourceError(source: Source, error: unknown): unknown {
  if (error instanceof BuildError || !(error instanceof Error)) return error;
  if (!(error instanceof ImageError) && !("syscall" in error)) return error;
  return new BuildError(`${sourceName(source)}: ${whyNot(error)}`);
}

/** Why a file or folder can't be read, in words. */
export function whyNot(error: unknown): string {
  if (hasCode(error, "ENOENT")) return "there is no such file (paths are from the recipe's folder)";
  if (hasCode(error, "ENOTDIR")) return "it, or what it should be in, is no folder";
  if (hasCode(error, "EISDIR")) return "it is a folder, not a file";
  return reason(error);
}
