import { ImageError } from "../../../image/image-error.ts";
import { RegistryError } from "../../../image/registry/registry-error.ts";
import { ArchiveError } from "../../../lib/archive/archive-error.ts";
import { FolderError } from "../../../lib/safe-place.ts";
import { DialError } from "../../client/dial.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { ToolError } from "../../container-files/tool-error.ts";
import { setupCommand } from "../../machine/guestctl-command.ts";
import { MachineError } from "../../machine/machine-error.ts";
import { OperationError, oneLine } from "../../operation-error.ts";
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
};

/** Codes by the texts of errors whose class has no kind. */
const TEXTS: readonly (readonly [RegExp, SandboxErrorCode])[] = [
  [/is not installed|run "([./a-z ]*guestctl setup|npm run build)/, "not-installed"],
  [/no space left|\bENOSPC\b|disk is full/i, "no-space"],
  [/\bEADDRINUSE\b|address already in use/i, "port-in-use"],
  [/\b(EACCES|EPERM)\b|permission denied/i, "permission-denied"],
  [/no image for |it is for \S+, not for/, "wrong-platform"],
  [/name (is )?already (in use|used)|name still used/, "already-exists"],
  [/current status is|is being removed/i, "wrong-state"],
  [/\bENOENT\b|no such file|not found|is not in the image's|there is no container/i, "not-found"],
  [/not a valid|not one of /, "invalid-argument"],
];

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
  const line = oneLine(error);
  const byText = TEXTS.find(([text]) => text.test(line))?.[1];
  if (error instanceof RpcError) return rpcCode(error, byText);
  if (error instanceof ToolError) return CODES[error.kind] ?? byText ?? "internal";
  if (error instanceof DialError) return "unreachable";
  const errno = errnoOf(error);
  if (errno !== undefined) return errno;
  if (error instanceof TypeError) return "invalid-argument";
  if (error instanceof FolderError) return "permission-denied";
  if (error instanceof ImageError) return imageCode(error, byText);
  if (error instanceof MachineError) return byText ?? "guest-died";
  if (error instanceof ArchiveError || error instanceof OperationError) return byText ?? "wrong-state";
  return byText ?? "internal";
}

/** Returns the code of an image that can't be read, or of the registry's refusal that it reports. */
function imageCode(error: ImageError, byText: SandboxErrorCode | undefined): SandboxErrorCode {
  const refusal = error instanceof RegistryError ? error : error.cause;
  if (!(refusal instanceof RegistryError)) return byText ?? "invalid-image";
  return refusal.kind === "unavailable" ? "unreachable" : kindCode(refusal.kind, byText);
}

/** Returns what the codes of the agent's calls mean; Kata's agents report most failures as INTERNAL. */
function rpcCode({ kind, message }: RpcError, byText: SandboxErrorCode | undefined): SandboxErrorCode {
  if (/is not supported|not implemented|unknown (service|method)/i.test(message)) return "unsupported";
  if (kind === "internal" || kind === "unknown" || kind === "invalid-argument")
    return byText ?? CODES[kind] ?? "internal";
  return kindCode(kind, byText);
}

function kindCode(kind: string, byText: SandboxErrorCode | undefined): SandboxErrorCode {
  if (kind === "resource-exhausted" && byText === "no-space") return "no-space";
  return CODES[kind] ?? byText ?? "internal";
}

function errnoOf(error: unknown): SandboxErrorCode | undefined {
  const { code, cause } = (error ?? {}) as { readonly code?: unknown; readonly cause?: unknown };
  if (typeof code === "string" && ERRNO[code] !== undefined) return ERRNO[code];
  return cause === undefined || cause === error ? undefined : errnoOf(cause);
}

/** Splits a line that ends with its remedy. */
function parts(line: string, code: SandboxErrorCode): { readonly what: string; readonly remedy: string } {
  // Lines about platforms end with those that there are.
  const at = code === "wrong-platform" ? -1 : line.lastIndexOf("; ");
  if (code === "not-installed" || at < 0) return { what: at < 0 ? line : line.slice(0, at), remedy: remedyOf(code) };
  return { what: line.slice(0, at), remedy: line.slice(at + 2) };
}
