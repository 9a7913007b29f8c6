import { constants } from "node:os";
import { getSystemErrorMap } from "node:util";
import { ERRNO_TEXTS } from "./errno-texts.ts";

/** Kinds of error, close to the gRPC codes; only service/status.ts maps them to a status. */
export type ErrorKind =
  | "canceled"
  | "invalid-argument"
  | "deadline-exceeded"
  | "not-found"
  | "already-exists"
  | "permission-denied"
  | "resource-exhausted"
  | "failed-precondition"
  | "unimplemented"
  | "internal"
  | "unavailable";

/** The agent's one error class. `message` is one line: the operation, the object, the reason and, where it helps, the remedy. */
export class AgentError extends Error {
  override readonly name = "AgentError";
  readonly kind: ErrorKind;
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(kind: ErrorKind, message: string, options: { cause?: unknown; fields?: Record<string, unknown> } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.fields = options.fields ?? {};
  }
}

/** A failed system call: `call object: ECODE (what the code means)`. */
export class SystemError extends AgentError {
  readonly call: string;
  /** Positive errno. */
  readonly errno: number;
  /** Name of the errno, "ENOENT". */
  readonly code: string;

  constructor(call: string, errno: number, object: string, detail = "") {
    const { code, text } = describeErrno(errno);
    super("internal", `${call}${object === "" ? "" : ` ${object}`}: ${code} (${detail === "" ? text : detail})`, {
      fields: { call, object, errno: code },
    });
    this.call = call;
    this.errno = errno;
    this.code = code;
  }
}

/** Returns the name and text of a positive errno: Node's if it has one, otherwise the kernel's. */
export function describeErrno(errno: number): { code: string; text: string } {
  const [code, text] = getSystemErrorMap().get(-errno) ??
    ERRNO_TEXTS.get(errno) ?? [nameInConstants(errno) ?? `errno ${errno}`, "unknown error"];
  return { code, text };
}

function nameInConstants(errno: number): string | undefined {
  return Object.entries(constants.errno).find(([, number]) => number === errno)?.[0];
}
