import { setTimeout as sleep } from "node:timers/promises";
import { AgentError, SystemError } from "../error.ts";
import type { Fd } from "../kernel.ts";
import type { RealSys } from "../sys/sys.ts";
import type { SocketMessage } from "../sys/sys-descriptors.ts";
import { decodeReply, type InitReply, MAX_INIT_MESSAGE } from "./init-messages.ts";

/** The part of `openSys()` that the socket needs. */
type SocketSys = Pick<RealSys, "sendMessage" | "receiveMessage" | "poll" | "watch" | "close" | "dup">;

/** Most messages queued for the socket; a longer queue means that init has stopped reading. */
const MAX_QUEUE = 1024;
export const EMFILE = 24;
/** Transient errors of sendmsg and recvmsg: out of memory, or too many descriptors in flight on the whole machine. */
const TRANSIENT: readonly string[] = ["ENOMEM", "ENOBUFS", "ETOOMANYREFS"];
/** Delay before a message is retried after such an error. */
const RETRY_MS = 10;

interface Queued {
  readonly bytes: Uint8Array;
  /** Copies owned by the socket, closed once sent. */
  readonly fds: readonly Fd[];
}

/** The agent's end of the socket to init: whole messages with descriptors, in order. */
export class InitSocket {
  readonly #sys: SocketSys;
  readonly #fd: Fd;
  readonly #buffer = new Uint8Array(MAX_INIT_MESSAGE);
  readonly #queue: Queued[] = [];
  #closed = false;
  #unwatch: (() => void) | undefined;
  #onLost: ((error: AgentError) => void) | undefined;

  /** Takes ownership of the descriptor. */
  constructor(sys: SocketSys, fd: Fd) {
    this.#sys = sys;
    this.#fd = fd;
  }

  /** Resolves when a message may have arrived. */
  readable(): Promise<void> {
    return this.#sys.poll(this.#fd, "read");
  }

  /** Calls back with each message from now on. `onLost` may be called more than once; nothing is received any more. */
  watch(onReply: (reply: InitReply) => void, onLost: (error: AgentError) => void): void {
    this.#onLost = onLost;
    this.#unwatch = this.#sys.watch(
      this.#fd,
      () => this.#receiveAll(onReply),
      (error) => this.#lose("init is gone", error),
    );
  }

  /**
   * Returns the next message, undefined if there is none yet. Throws at end of file. If this process is out of
   * descriptors, only the launch being answered fails; but an agent can't start without the descriptors of the greeting.
   */
  receive(): InitReply | undefined {
    let message: SocketMessage | undefined;
    try {
      message = this.#sys.receiveMessage(this.#fd, this.#buffer);
    } catch (error) {
      if (!isTransient(error)) throw error;
    }
    if (message === undefined) return undefined;
    if (message.data.length === 0) throw new AgentError("unavailable", "socket to init: end of file");
    const reply = decodeReply(message.data, message.fds);
    if (!message.lost) return reply;
    if (reply.type !== "launched") throw new SystemError("recvmsg", EMFILE, "of what init kept");
    return { ...reply, lost: true };
  }

  /** Sends at once if possible, otherwise queues in order. The caller keeps owning its descriptors. */
  send(bytes: Uint8Array, fds: readonly Fd[] = []): void {
    if (this.#closed) throw new AgentError("unavailable", "socket to init: already closed");
    if (this.#queue.length === 0 && this.#sendNow(bytes, fds)) return;
    if (this.#queue.length >= MAX_QUEUE) {
      throw new AgentError(
        "resource-exhausted",
        `socket to init: ${MAX_QUEUE} messages are queued; init isn't reading`,
      );
    }
    this.#queue.push({ bytes, fds: this.#copies(fds) });
    if (this.#queue.length === 1) void this.#drain();
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unwatch?.();
    for (const { fds } of this.#queue.splice(0)) for (const fd of fds) this.#sys.close(fd);
    this.#sys.close(this.#fd);
  }

  #copies(fds: readonly Fd[]): Fd[] {
    const copies: Fd[] = [];
    try {
      for (const fd of fds) copies.push(this.#sys.dup(fd));
    } catch (error) {
      for (const fd of copies) this.#sys.close(fd);
      throw error;
    }
    return copies;
  }

  async #drain(): Promise<void> {
    try {
      for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
        await this.#sys.poll(this.#fd, "write");
        if (this.#closed) return;
        if (!this.#sendNow(next.bytes, next.fds)) {
          await sleep(RETRY_MS);
          continue;
        }
        this.#queue.shift();
        for (const fd of next.fds) this.#sys.close(fd);
      }
    } catch (error) {
      if (!this.#closed) this.#lose("sending failed", error);
    }
  }

  /** Returns false if there is no room now. */
  #sendNow(bytes: Uint8Array, fds: readonly Fd[]): boolean {
    try {
      return this.#sys.sendMessage(this.#fd, bytes, fds);
    } catch (error) {
      if (isTransient(error)) return false;
      throw error;
    }
  }

  /** Receives every message available now; the watch calls again for the rest. An error thrown here ends the watch. */
  #receiveAll(onReply: (reply: InitReply) => void): void {
    for (let more = true; more && !this.#closed; ) {
      const reply = this.receive();
      if (reply !== undefined) onReply(reply);
      more = reply !== undefined;
    }
  }

  #lose(what: string, cause: unknown): void {
    this.#unwatch?.();
    this.#onLost?.(new AgentError("unavailable", `socket to init: ${what}`, { cause }));
  }
}

const isTransient = (error: unknown): boolean => error instanceof SystemError && TRANSIENT.includes(error.code);
