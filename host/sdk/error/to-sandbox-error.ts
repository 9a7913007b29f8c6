import { ImageError } from "../../../image/image-error.ts";
import { ArchiveError } from "../../../lib/archive/archive-error.ts";
import { FolderError } from "../../../lib/safe-place.ts";
import { DialError } from "../../client/dial.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { ToolError } from "../../engine/container/files/tool-error.ts";
import { OperationError, oneLine } from "../../operation-error.ts";
import { setupCommand } from "../../vm/guestctl-command.ts";
import { MachineError } from "../../vm/machine-error.ts";
import { SandboxError, type SandboxErrorCode } from "./sandbox-error.ts";

const REMEDIES: Readonly<Record<Exclude<SandboxErrorCode, "not-installed">, string>> = {
  "invalid-argument": "change the call's arguments",
  "not-found": "check the name",
  "already-exists": "choose another name, or remove what exists",
  "permission-denied": "grant access, or run as a user who has it",
  "no-space": "free space on the disk, or give the sandbox more",
  limit: "split the work, or raise the limit",
  timeout: "raise timeoutMs, or look at what the sandbox does",
  aborted: "call again if it is still wanted",
  unsupported: "use an agent of guestd of this version",
  unreachable: "check the address, and that something listens there",
  "guest-died": "guestctl logs --console shows what its guest printed last; create another sandbox",
  "agent-lost": "check that the agent runs, then attach again at the position",
  "data-lost": "run the command again, or keep its output in a file",
  "taken-over": "attach again with takeover",
  "port-in-use": "choose another port, or port 0 for any",
  refused: "start the server first; waitForPort waits for it",
  "invalid-image": "build or save the image again",
  "wrong-platform": "take an image for this machine's processor",
  "wrong-state": "look at the sandbox's events",
  exit: "look at its stderr",
  stopped: "create another sandbox",
  internal: "please report this",
};

/** Node's and the kernel's names for errors. */
const ERRNO: Readonly<Record<string, SandboxErrorCode>> = {
  ENOENT: "not-found",
  ENOTDIR: "not-found",
  EEXIST: "already-exists",
  ENOTEMPTY: "already-exists",
  EACCES: "permission-denied",
  EPERM: "permission-denied",
  EROFS: "permission-denied",
  ENOSPC: "no-space",
  EDQUOT: "no-space",
  EADDRINUSE: "port-in-use",
  EADDRNOTAVAIL: "invalid-argument",
  EMFILE: "limit",
  ENFILE: "limit",
  ENOMEM: "limit",
  ECONNREFUSED: "unreachable",
  EISDIR: "invalid-argument",
};

/** The names of gRPC's codes, which attachments, copies and forwards have too. */
const CODES: Readonly<Record<string, SandboxErrorCode>> = {
  "invalid-argument": "invalid-argument",
  "not-found": "not-found",
  "already-exists": "already-exists",
  "permission-denied": "permission-denied",
  unauthenticated: "permission-denied",
  "resource-exhausted": "limit",
  "deadline-exceeded": "timeout",
  canceled: "aborted",
  unimplemented: "unsupported",
  unavailable: "agent-lost",
  "failed-precondition": "wrong-state",
  "data-loss": "data-lost",
  // Of attachments and forwards.
  unreachable: "unreachable",
  "taken-over": "taken-over",
  cut: "agent-lost",
  gap: "data-lost",
  refused: "refused",
  timeout: "timeout",
  "no-container": "not-found",
  "no-file": "not-found",
  "not-a-socket": "invalid-argument",
  "no-access": "permission-denied",
  "in-use": "port-in-use",
  // Of what agents give as the reason, of images and of the container's programs.
  "no-program": "not-found",
  "program-denied": "permission-denied",
  "being-removed": "wrong-state",
  "wrong-state": "wrong-state",
  "no-space": "no-space",
  "port-in-use": "port-in-use",
  "wrong-platform": "wrong-platform",
};

/** Returns a failure as SandboxError: `operation` begins its line unless the error's own line does. */
export function toSandboxError(operation: string, error: unknown): SandboxError {
  if (error instanceof SandboxError) return error;
  if (error instanceof SuppressedError) return toSandboxError(operation, error.suppressed);
  const code = codeOf(error);
  const { what, remedy } = parts(oneLine(error), code);
  const begun = what.startsWith(operation) ? what : `${operation}: ${what}`;
  return new SandboxError(code, begun, { remedy, cause: error });
}

/** Returns an error of a code whose usual remedy fits. */
export function sandboxError(code: SandboxErrorCode, what: string, cause?: unknown): SandboxError {
  return new SandboxError(code, what, { remedy: remedyOf(code), cause });
}

function remedyOf(code: SandboxErrorCode): string {
  return code === "not-installed" ? `run "${setupCommand()}"` : REMEDIES[code];
}

function codeOf(error: unknown): SandboxErrorCode {
  if (error instanceof RpcError) return rpcCode(error);
  if (error instanceof DialError) return "unreachable";
  const known = causeCode(error);
  if (known !== undefined) return known;
  if (error instanceof TypeError) return "invalid-argument";
  if (error instanceof FolderError) return "permission-denied";
  if (error instanceof ImageError) return "invalid-image";
  if (error instanceof MachineError) return "guest-died";
  return error instanceof ArchiveError || error instanceof OperationError ? "wrong-state" : "internal";
}

function rpcCode({ kind, reason }: RpcError): SandboxErrorCode {
  if (reason === "unsupported") return reason;
  const given = reason && CODES[reason];
  if (kind === "resource-exhausted" && given === "no-space") return given;
  const isVague = kind === "internal" || kind === "unknown" || kind === "invalid-argument";
  return (isVague ? given : undefined) ?? CODES[kind] ?? given ?? "internal";
}

/** Returns the code of the first kind or errno among an error and its causes. */
function causeCode(error: unknown): SandboxErrorCode | undefined {
  const { code, cause } = (error ?? {}) as { readonly code?: unknown; readonly cause?: unknown };
  const known = kindCode(error) ?? (typeof code === "string" ? ERRNO[code] : undefined);
  return known ?? (cause === undefined || cause === error ? undefined : causeCode(cause));
}

function kindCode(error: unknown): SandboxErrorCode | undefined {
  if (error instanceof OperationError) return error.kind;
  if (error instanceof ImageError && error.kind === "unavailable") return "unreachable";
  return error instanceof ImageError || error instanceof ToolError ? CODES[error.kind ?? ""] : undefined;
}

/** Splits a line that ends with its remedy. */
function parts(line: string, code: SandboxErrorCode): { readonly what: string; readonly remedy: string } {
  // Lines about platforms end with those that there are.
  const at = code === "wrong-platform" ? -1 : line.lastIndexOf("; ");
  if (code === "not-installed" || at < 0) return { what: at < 0 ? line : line.slice(0, at), remedy: remedyOf(code) };
  return { what: line.slice(0, at), remedy: line.slice(at + 2) };
}
