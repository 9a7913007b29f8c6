import { getSystemErrorMap } from "node:util";
import { type Member, shown } from "./member.ts";

export const IN_ITS_PLACE = "a directory is in its place";

/** Why a copy failed, by the names of the agent's errors. */
export type ArchiveErrorKind =
  | "already-exists"
  | "failed-precondition"
  | "internal"
  | "invalid-argument"
  | "not-found"
  | "permission-denied"
  | "resource-exhausted";

/** A copy that can't be completed. `message` is one line: object, reason, remedy. */
export class ArchiveError extends Error {
  override readonly name = "ArchiveError";
  readonly kind: ArchiveErrorKind;

  constructor(kind: ArchiveErrorKind, message: string, options?: ErrorOptions) {
    super(message.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " "), options);
    this.kind = kind;
  }
}

const KINDS: Readonly<Record<string, ArchiveErrorKind>> = {
  EACCES: "permission-denied",
  EDQUOT: "resource-exhausted",
  EEXIST: "already-exists",
  EFBIG: "resource-exhausted",
  ENOENT: "not-found",
  ENOSPC: "resource-exhausted",
  EPERM: "permission-denied",
  EROFS: "failed-precondition",
};

const FULL = "the disk is full; free space and copy again";
const TEXTS: Readonly<Record<string, string>> = { ENOSPC: FULL, EDQUOT: `over quota: ${FULL}` };

/** Returns the name of a failed system call's errno; undefined for another error. */
export function codeOf(error: unknown): string | undefined {
  const { code, errno } = error as { readonly code?: unknown; readonly errno?: unknown };
  return typeof code === "string" && typeof errno === "number" ? code : undefined;
}

/** Turns a failed system call into one line about `what`; Node's own lines show paths of descriptors. */
export function archiveError(what: string, error: unknown): unknown {
  const code = codeOf(error);
  if (code === undefined) return error;
  const errno = Math.abs((error as { readonly errno: number }).errno);
  const [, text = "the system call failed"] = getSystemErrorMap().get(-errno) ?? [];
  const message = `${what}: ${code} (${TEXTS[code] ?? text})`;
  return new ArchiveError(KINDS[code] ?? "internal", message, { cause: error });
}

/** Names the member of an archive that can't be written. */
export function memberError({ name }: Pick<Member, "name">, error: unknown): unknown {
  const what = shown(name);
  if (error instanceof ArchiveError) {
    const message = error.message.startsWith(what) ? error.message : `${what}: ${error.message}`;
    return new ArchiveError(error.kind, message, { cause: error });
  }
  if (codeOf(error) === "EISDIR")
    return new ArchiveError("already-exists", `${what}: ${IN_ITS_PLACE}`, { cause: error });
  return archiveError(what, error);
}
