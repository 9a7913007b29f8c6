import { ImageError } from "../image-error.ts";

/** Reasons for which a registry's image is unavailable; the names are those of gRPC's codes. */
export type RegistryErrorKind =
  | "failed-precondition"
  | "invalid-argument"
  | "not-found"
  | "permission-denied"
  | "unavailable";

/** Reports that a registry or the reference to an image in it can't be used. One line, like every ImageError. */
export class RegistryError extends ImageError {
  readonly kind: RegistryErrorKind;
  /** Node's code of a connection error, such as ECONNRESET; empty otherwise. */
  readonly code: string;

  constructor(kind: RegistryErrorKind, message: string, { cause, code = "" }: ErrorOptions & { code?: string } = {}) {
    super(message, cause === undefined ? {} : { cause });
    this.kind = kind;
    this.code = code;
  }
}
