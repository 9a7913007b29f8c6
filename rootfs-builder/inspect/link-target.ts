import { BuildError } from "../build-error.ts";
import { MAX_TARGET } from "../tree/check-entry.ts";

/** Where a symlink leads, as the image has it. A kernel makes none that is longer. */
export function linkTarget(where: string, bytes: Buffer): string {
  if (bytes.length > MAX_TARGET) throw new BuildError(`${where}: a symlink of ${bytes.length} bytes`);
  return bytes.toString();
}
