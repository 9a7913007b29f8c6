import type { Readable } from "node:stream";

/** A scripted process as an answer's function sees it. */
export interface MockProcess {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | undefined;
  readonly user: string | undefined;
  readonly tty: boolean;
  /** Its input, to the end. */
  readonly stdin: Readable;
  /** Aborted by a signal that kills: then the exit code is 128 + its number, whatever the function returns. */
  readonly killed: AbortSignal;
  /** Prints; resolves once the client has taken it. */
  stdout(data: string | Uint8Array): Promise<void>;
  /** Prints on stderr. */
  stderr(data: string | Uint8Array): Promise<void>;
}

/** Output and exit code of a scripted command. */
export interface MockOutput {
  readonly stdout?: string | Uint8Array;
  readonly stderr?: string | Uint8Array;
  /** Default: 0. */
  readonly exitCode?: number;
}

/** Answer to a command: its stdout, its output, or a function that plays the process and returns its exit code. */
export type MockAnswer =
  | string
  | MockOutput
  | ((process: MockProcess) => number | MockOutput | undefined | Promise<number | MockOutput | undefined>);

/** Commands that an answer is for: the line or the words joined by blanks. */
export type MockCommand = string | RegExp | ((argv: readonly string[]) => boolean);

/** True if an answer is for a command. A line's own words are those after `sh -c`. */
export function matches(command: MockCommand, argv: readonly string[]): boolean {
  if (typeof command === "function") return command(argv);
  const [shell, option, line = ""] = argv;
  const text = shell === "sh" && option === "-c" && argv.length === 3 ? line : argv.join(" ");
  return typeof command === "string" ? text === command : command.test(text);
}
