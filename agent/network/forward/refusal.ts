import { AgentError, SystemError } from "../../kernel/error.ts";

/** Why a target can't be connected to. Clients tell them apart, so types are only ever added. */
export type RefusalType =
  | "refused"
  | "unreachable"
  | "timeout"
  | "no-container"
  | "no-file"
  | "not-a-socket"
  | "no-access"
  | "in-use";

/** Ends one connection, never the listener that it came from. */
export class Refusal extends AgentError {
  readonly type: RefusalType;

  constructor(type: RefusalType, message: string, cause?: unknown) {
    super("unavailable", message, { cause });
    this.type = type;
  }
}

const TYPES: Readonly<Record<string, RefusalType>> = {
  ECONNREFUSED: "refused",
  ENETUNREACH: "unreachable",
  EHOSTUNREACH: "unreachable",
  ENETDOWN: "unreachable",
  EHOSTDOWN: "unreachable",
  EADDRNOTAVAIL: "unreachable",
  EAFNOSUPPORT: "unreachable",
  ETIMEDOUT: "timeout",
  ESRCH: "no-container",
  ENOENT: "no-file",
  ENOTDIR: "no-file",
  ELOOP: "no-file",
  ENAMETOOLONG: "no-file",
  EPROTOTYPE: "not-a-socket",
  EACCES: "no-access",
  EPERM: "no-access",
  EROFS: "no-access",
  EADDRINUSE: "in-use",
};

const REASONS: Readonly<Record<RefusalType, string>> = {
  refused: "connection refused: nothing listens there",
  unreachable: "unreachable from this network namespace",
  timeout: "no answer in time",
  "no-container": "the container's first process has ended",
  "no-file": "no such file in the container",
  "not-a-socket": "not a listening stream socket",
  "no-access": "access denied",
  "in-use": "address already in use",
};

/** Returns the refusal for a failed system call, or other errors unchanged. `object` names the target. */
export function refusalOf(error: unknown, object: string): unknown {
  const type = error instanceof SystemError ? TYPES[error.code] : undefined;
  return type === undefined ? error : refuse(type, object, error);
}

export function refuse(type: RefusalType, object: string, cause?: unknown): Refusal {
  return new Refusal(type, `forward to ${object}: ${REASONS[type]}`, cause);
}
