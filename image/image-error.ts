/** Reports that an image can't be read or unpacked. `message` is one line: operation, object, reason. */
export class ImageError extends Error {
  override readonly name = "ImageError";

  /** Replaces line ends and control characters from the image with spaces. */
  constructor(message: string, options?: ErrorOptions) {
    super(message.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " "), options);
  }
}
