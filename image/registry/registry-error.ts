import { ImageError, type ImageErrorKind } from "../image-error.ts";

export type RegistryErrorKind = Extract<
  ImageErrorKind,
  "failed-precondition" | "invalid-argument" | "not-found" | "permission-denied" | "unavailable"
>;

/** Reports that a registry or the reference to an image in it can't be used. One line, like every ImageError. */
export class RegistryError extends ImageError {
  declare readonly kind: RegistryErrorKind;
  /** Node's code of a connection error, such as ECONNRESET; empty otherwise. */
  readonly code: string;

  constructor(kind: RegistryErrorKind, message: string, { cause, code = "" }: ErrorOptions & { code?: string } = {}) {
    super(message, cause === undefined ? { kind } : { kind, cause });
    this.code = code;
  }
}
