import type { Fd, Kernel } from "../../kernel/kernel.ts";
import { type PassedStdio, PassedStream, readStreamName, type StdioName, streamName } from "./passed-stream.ts";

/** How long a call waits for its stream to connect. The reference checks three times within 300 ms. */
const WAIT_MS = 2000;
/** How long a connected stream waits for its call. */
const UNCLAIMED_MS = 30_000;
const MAX_UNCLAIMED = 128;

interface Unclaimed {
  readonly stream: PassedStream;
  readonly timer: NodeJS.Timeout;
}

export interface PassedStreamsOptions {
  readonly waitMs?: number;
  readonly unclaimedMs?: number;
}

/**
 * Connections that no call has claimed yet, by the port of the host's side. They survive an agent restart, which starts
 * each one's timeout again.
 */
export class PassedStreams {
  readonly #kernel: Pick<Kernel, "sys" | "init">;
  readonly #waitMs: number;
  readonly #unclaimedMs: number;
  readonly #unclaimed = new Map<number, Unclaimed>();
  readonly #waiting = new Map<number, (stream: PassedStream) => void>();
  #number = 0;

  /** `inUse`: names of streams that belong to processes of a previous agent. */
  constructor(
    kernel: Pick<Kernel, "sys" | "init">,
    inUse: ReadonlySet<string> = new Set(),
    { waitMs = WAIT_MS, unclaimedMs = UNCLAIMED_MS }: PassedStreamsOptions = {},
  ) {
    this.#kernel = kernel;
    this.#waitMs = waitMs;
    this.#unclaimedMs = unclaimedMs;
    for (const [name, fd] of kernel.init.greeting.deposits) {
      const found = readStreamName(name);
      if (found === undefined) continue;
      const [port, number] = found;
      this.#number = Math.max(this.#number, number);
      if (!inUse.has(name)) this.#file(new PassedStream(kernel, name, port, fd));
    }
  }

  /**
   * Takes ownership of a non-blocking connection, even if it throws. A second connection from a port replaces the
   * first; one above the maximum is closed.
   */
  add(port: number, fd: Fd): void {
    const { sys, init } = this.#kernel;
    const waiting = this.#waiting.get(port);
    if (waiting === undefined && this.#unclaimed.size >= MAX_UNCLAIMED && !this.#unclaimed.has(port)) {
      sys.close(fd);
      return;
    }
    const stream = new PassedStream(this.#kernel, streamName(port, ++this.#number), port, fd);
    try {
      init.deposit(stream.name, fd);
    } catch (error) {
      sys.close(fd);
      throw error;
    }
    if (waiting === undefined) this.#file(stream);
    else waiting(stream);
  }

  /**
   * Returns the streams for these ports; port 0 means no stream. A stream that doesn't connect in time is returned
   * closed.
   */
  async take(ports: Readonly<Record<StdioName, number>>, signal: AbortSignal): Promise<PassedStdio> {
    const given = Object.entries(ports).filter(([, port]) => port !== 0);
    const taken = await Promise.all(given.map(async ([name, port]) => [name, await this.#take(port, signal)]));
    return Object.fromEntries(taken);
  }

  close(): void {
    for (const { stream, timer } of this.#unclaimed.values()) {
      clearTimeout(timer);
      stream.close();
    }
    this.#unclaimed.clear();
  }

  async #take(port: number, signal: AbortSignal): Promise<PassedStream> {
    const found = this.#unclaimed.get(port);
    if (found !== undefined) {
      clearTimeout(found.timer);
      this.#unclaimed.delete(port);
      return found.stream;
    }
    const missing = () => new PassedStream(this.#kernel, streamName(port, 0), port, undefined);
    if (this.#waiting.has(port)) return missing();
    const { promise, resolve } = Promise.withResolvers<PassedStream>();
    const giveUp = () => resolve(missing());
    const timer = setTimeout(giveUp, signal.aborted ? 0 : this.#waitMs);
    signal.addEventListener("abort", giveUp, { once: true });
    this.#waiting.set(port, resolve);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
      this.#waiting.delete(port);
    }
  }

  #file(stream: PassedStream): void {
    const before = this.#unclaimed.get(stream.port);
    if (before !== undefined) {
      clearTimeout(before.timer);
      before.stream.close();
    }
    const timer = setTimeout(() => {
      this.#unclaimed.delete(stream.port);
      stream.close();
    }, this.#unclaimedMs).unref();
    this.#unclaimed.set(stream.port, { stream, timer });
  }
}
