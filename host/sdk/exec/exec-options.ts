import type { CallLimits } from "../call/limits.ts";
import { sandboxError } from "../error/to-sandbox-error.ts";
import type { ExecInput } from "./exec.ts";

/** Options of a command. `timeoutMs` and `signal` kill it. */
export interface ExecOptions extends CallLimits {
  /** Default: that of the container. */
  readonly cwd?: string | undefined;
  /** Added to the container's. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** "user", "uid" or "user:group". Default: that of the container. */
  readonly user?: string | undefined;
  /** A terminal: its stdout is all output, and its input is open. */
  readonly tty?: boolean | { readonly rows: number; readonly columns: number };
  /** Default: none, or open for a terminal. */
  readonly stdin?: ExecInput;
  /**
   * Whether the process waits while its output isn't taken (hold), or the oldest output is dropped (ring; spool also
   * keeps its times). A reader that is too late gets `data-lost`. Default: hold.
   */
  readonly mode?: "hold" | "ring" | "spool";
  /** Bytes of each output that ring and spool keep. */
  readonly keepBytes?: number;
  /** Most bytes that are collected for the result; more end the command with `limit`. Default: 64 MiB. */
  readonly maxOutputBytes?: number;
}

const DEFAULT_SIZE = { rows: 24, columns: 80 };

/** Returns the words of a command; a line is for sh. Throws SandboxError. */
export function commandOf(command: string | readonly string[]): readonly string[] {
  const words = typeof command === "string" ? ["sh", "-c", command] : command;
  if (words.length === 0 || words[0] === "" || command === "")
    throw sandboxError("invalid-argument", "exec: no command given");
  if (words.some((word) => typeof word !== "string" || word.includes("\0"))) {
    throw sandboxError("invalid-argument", "exec: a word of the command isn't text, or has a NUL");
  }
  return words;
}

/** Returns variables as "NAME=value". Throws SandboxError. */
export function environment(env: Readonly<Record<string, string>> = {}): string[] {
  return Object.entries(env).map(([name, value]) => {
    if (name !== "" && !/[=\0]/.test(name) && typeof value === "string" && !value.includes("\0"))
      return `${name}=${value}`;
    throw sandboxError("invalid-argument", `env: ${JSON.stringify(name)} is no variable with a text as its value`);
  });
}

export function terminalOf(tty: ExecOptions["tty"]): { readonly rows: number; readonly columns: number } | undefined {
  return typeof tty === "object" ? tty : tty ? DEFAULT_SIZE : undefined;
}
