import type { Fd, Kernel } from "../../kernel/kernel.ts";

export type StdioName = "stdin" | "stdout" | "stderr";

/** Streams of one process. Without a stream, stdin is written by WriteStdin calls, and an output is discarded. */
export type PassedStdio = { readonly [Name in StdioName]?: PassedStream };

/** A connection from the host for the stdin, stdout or stderr of a process. Owns its descriptor; init keeps a copy. */
export class PassedStream {
  /** Port of the host's side. */
  readonly port: number;
  /** Name of init's copy. */
  readonly name: string;
  readonly #kernel: Pick<Kernel, "sys" | "init">;
  #fd: Fd | undefined;

  /** `fd` is non-blocking; undefined for a stream that never connected or that has ended. */
  constructor(kernel: Pick<Kernel, "sys" | "init">, name: string, port: number, fd: Fd | undefined) {
    this.#kernel = kernel;
    this.name = name;
    this.port = port;
    this.#fd = fd;
  }

  /** Undefined once the stream is closed. */
  get fd(): Fd | undefined {
    return this.#fd;
  }

  /** Closes the stream; the host reads what was written, then the end. Idempotent. */
  close(): void {
    if (this.#fd === undefined) return;
    const { sys, init } = this.#kernel;
    sys.endConnection(this.#fd);
    sys.close(this.#fd);
    this.#fd = undefined;
    init.withdraw(this.name);
  }
}

export function closeStreams(stdio: PassedStdio | undefined): void {
  for (const stream of Object.values(stdio ?? {})) stream.close();
}

const PREFIX = "passfd:";

/** Name of init's copy of a stream; `number` distinguishes streams of the same port. */
export const streamName = (port: number, number: number): string => `${PREFIX}${port}:${number}`;

/** Port and number from a stream's name; undefined for the name of another deposit. */
export function readStreamName(name: string): readonly [port: number, number: number] | undefined {
  const [, port, number] = /^passfd:(\d+):(\d+)$/.exec(name) ?? [];
  return port === undefined ? undefined : [Number(port), Number(number)];
}

/** Names of init's copies, for the label of a process. */
export type StreamNames = { readonly [Name in StdioName]?: string };

export function namesOf(stdio: PassedStdio | undefined): { readonly streams?: StreamNames } {
  if (stdio === undefined) return {};
  return { streams: Object.fromEntries(Object.entries(stdio).map(([role, { name }]) => [role, name])) };
}

/** Streams of a process that a previous agent created; a stream that init no longer holds has ended. */
export function restoreStreams(kernel: Kernel, names: StreamNames | undefined): PassedStdio | undefined {
  if (names === undefined) return undefined;
  const { deposits } = kernel.init.greeting;
  const restored = Object.entries(names).map(([role, name]) => {
    const [port = 0] = readStreamName(name) ?? [];
    return [role, new PassedStream(kernel, name, port, deposits.get(name))];
  });
  return Object.fromEntries(restored);
}
