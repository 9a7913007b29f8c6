/** An image that can't be read or unpacked. `message` is one line: what failed, on what, why. */
export class ImageError extends Error {
  override readonly name = "ImageError";
}

/** The text of anything thrown, on one line. */
export function reason(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll("\n", " ");
}
