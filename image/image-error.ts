/** An image that can't be read or unpacked. `message` is one line: what failed, on what, why. */
export class ImageError extends Error {
  override readonly name = "ImageError";

  /** What an image has of line ends and of words for a terminal becomes spaces. */
  constructor(message: string, options?: ErrorOptions) {
    super(message.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " "), options);
  }
}
