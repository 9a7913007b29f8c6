/** Kind of a failure; stable, for programs. */
export type SandboxErrorCode =
  /** An option or argument is wrong. */
  | "invalid-argument"
  /** A container, exec, file, image or port doesn't exist. */
  | "not-found"
  /** A name or file exists already. */
  | "already-exists"
  /** This machine, the registry or the container denies access. */
  | "permission-denied"
  /** A disk is full, on this machine or in the guest. */
  | "no-space"
  /** A bound was exceeded: of output that is collected, of connections, of memory. */
  | "limit"
  /** The call's `timeoutMs` passed. */
  | "timeout"
  /** The call's signal aborted. */
  | "aborted"
  /** The agent doesn't offer this: it isn't guestd, or an older one, or an option disables it. */
  | "unsupported"
  /** No agent answers at the address. */
  | "unreachable"
  /** The guest ended without being stopped. */
  | "guest-died"
  /** The connection to the agent was lost, and no other succeeded in time. */
  | "agent-lost"
  /** Output or input is gone that can't be delivered any more. */
  | "data-lost"
  /** Another client has attached to the process. */
  | "taken-over"
  /** The port or socket is in use. */
  | "port-in-use"
  /** Nothing listens at the target of a forward, or it refuses. */
  | "refused"
  /** The image can't be read. */
  | "invalid-image"
  /** The image isn't for this machine's processor. */
  | "wrong-platform"
  /** A program that guests need isn't installed. */
  | "not-installed"
  /** The container or guest isn't in the state that the call needs. */
  | "wrong-state"
  /** A command ended with another exit code than 0; only of `orThrow`. */
  | "exit"
  /** The sandbox was stopped. */
  | "stopped"
  /** Anything else, a bug among it. */
  | "internal";

/** The rest of an error. */
export interface SandboxErrorOptions {
  /** Way out: the part of the message after the last semicolon. */
  readonly remedy: string;
  readonly cause?: unknown;
}

/** The SDK's one error. `message` is one line: operation, object, reason; remedy. */
export class SandboxError extends Error {
  override readonly name = "SandboxError";
  readonly code: SandboxErrorCode;
  readonly remedy: string;

  static {
    // A bundle shortens the class's name, which Node prints of uncaught errors.
    Object.defineProperty(SandboxError, "name", { value: "SandboxError" });
  }

  /** `what` is the line without the remedy. */
  constructor(code: SandboxErrorCode, what: string, { remedy, cause }: SandboxErrorOptions) {
    super(`${what}; ${remedy}`, cause === undefined ? {} : { cause });
    this.code = code;
    this.remedy = remedy;
  }
}
