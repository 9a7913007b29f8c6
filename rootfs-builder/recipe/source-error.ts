import { ImageError } from "../../image/image-error.ts";
import { reason } from "../../lib/reason.ts";
import { BuildError, hasCode } from "../build-error.ts";
import type { Source } from "./recipe.ts";

/** Converts a source's failure into one line that names the source. Returns other errors unchanged. */
export function sourceError(source: Source, error: unknown): unknown {
  if (error instanceof BuildError || !(error instanceof Error)) return error;
  if (!(error instanceof ImageError) && !("syscall" in error)) return error;
  return new BuildError(`${sourceName(source)}: ${whyNot(error)}`);
}

/** Explains why a file or folder can't be read. */
export function whyNot(error: unknown): string {
  if (hasCode(error, "ENOENT")) return "no such file (paths start from the recipe's folder)";
  if (hasCode(error, "ENOTDIR")) return "it or its parent is not a folder";
  if (hasCode(error, "EISDIR")) return "it is a folder, not a file";
  return reason(error);
}

/** Names a source in messages and lists: "tar files.tar.gz". */
export function sourceName(source: Source): string {
  return `${source.kind} ${source.kind === "packages" ? source.names.join(" ") : source.path}`;
}
