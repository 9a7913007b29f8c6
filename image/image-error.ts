/** Why an image is unavailable, if not because it is damaged. The names are those of gRPC's codes and of the SDK's. */
export type ImageErrorKind =
  | "already-exists"
  | "failed-precondition"
  | "invalid-argument"
  | "no-space"
  | "not-found"
  | "permission-denied"
  | "port-in-use"
  | "unavailable"
  | "wrong-platform";

/** Reports that an image can't be read or unpacked. `message` is one line: operation, object, reason. */
export class ImageError extends Error {
  override readonly name = "ImageError";

  readonly kind: ImageErrorKind | undefined;

  /** Replaces line ends and control characters from the image with spaces. */
  constructor(message: string, { kind, ...options }: ErrorOptions & { kind?: ImageErrorKind | undefined } = {}) {
    super(message.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " "), options);
    this.kind = kind;
  }
}
