import type { Fd, Kernel } from "../../kernel/kernel.ts";

export type StdioName = "stdin" | "stdout" | "stderr";

/** The streams of one process; stdin without one is written by calls, an output without one is thrown away. */
export type PassedStdio = { readonly [Name in StdioName]?: PassedStream };

/** One connection that a host made to be the stdin, stdout or stderr of a process. Owns its descriptor, of which init has a copy. */
export class PassedStream {
  /** Of the host's side. */
  readonly port: number;
  /** Of init's copy. */
  readonly name: string;
  readonly #kernel: Pick<Kernel, "sys" | "init">;
  #fd: Fd | undefined;

  /** The descriptor is non-blocking. Without one: a stream that never came, or that is over. */
  constructor(kernel: Pick<Kernel, "sys" | "init">, name: string, port: number, fd: Fd | undefined) {
    this.#kernel = kernel;
    this.name = name;
    this.port = port;
    this.#fd = fd;
  }

  /** Undefined once it is closed. */
  get fd(): Fd | undefined {
    return this.#fd;
  }

  /** The host reads what was written, then the end. Idempotent. */
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

/** What init's copy of a stream is called; `number` tells it from others of that port. */
export const streamName = (port: number, number: number): string => `${PREFIX}${port}:${number}`;

/** Port and number of a name; undefined for one that is of something else. */
export function readStreamName(name: string): readonly [port: number, number: number] | undefined {
  const [, port, number] = /^passfd:(\d+):(\d+)$/.exec(name) ?? [];
  return port === undefined ? undefined : [Number(port), Number(number)];
}

/** By name, for the label of a process. */
export type StreamNames = { readonly [Name in StdioName]?: string };

export function namesOf(stdio: PassedStdio | undefined): { readonly streams?: StreamNames } {
  if (stdio === undefined) return {};
  return { streams: Object.fromEntries(Object.entries(stdio).map(([role, { name }]) => [role, name])) };
}

/** The streams of a process that an agent before had; those that are with init no more are over. */
export function restoreStreams(kernel: Kernel, names: StreamNames | undefined): PassedStdio | undefined {
  if (names === undefined) return undefined;
  const { deposits } = kernel.init.greeting;
  const restored = Object.entries(names).map(([role, name]) => {
    const [port = 0] = readStreamName(name) ?? [];
    return [role, new PassedStream(kernel, name, port, deposits.get(name))];
  });
  return Object.fromEntries(restored);
}
