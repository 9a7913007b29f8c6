import { ImageError } from "./image-error.ts";

/** Returns the error for an image of which `what`, such as "its root needs", more bytes than the user allows. */
export function overLimit(what: string, bytes: number): ImageError {
  return new ImageError(`${what} more than ${Math.floor(bytes / 2 ** 20)} MiB; raise GUESTCTL_IMAGE_LIMIT`);
}
