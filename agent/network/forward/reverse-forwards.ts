import { AgentError } from "../../kernel/error.ts";
import type { Fd, Init } from "../../kernel/kernel.ts";
import type { RealSys } from "../../kernel/sys/sys.ts";
import type { ContainerListener } from "./listen-in-container.ts";

/** Most listeners at once. */
const MAX_LISTENERS = 32;
/** How long a listener waits for its client to come back. */
const ABSENT_MS = 60_000;

type ReverseSys = Pick<RealSys, "accept" | "watch" | "inetPort" | "close">;

/** A client that is there. */
export interface AttachedClient {
  readonly port: number;
  /** The client is gone, and may come back. */
  leave(): void;
  /** The client wants no more connections. */
  end(): void;
}

interface Reverse {
  readonly listener: ContainerListener;
  timer: NodeJS.Timeout | undefined;
  /** Ends the attention of the client that is there. */
  leave: (() => void) | undefined;
  /** Ends the watch for a connection. */
  unwatch: (() => void) | undefined;
  onWaiting: (() => void) | undefined;
}

const PREFIX = "reverse-forward:";

/**
 * Listeners inside containers, by the id that their client chose. Connections wait in the kernel until the client takes them,
 * so none is lost if the agent dies; init keeps the listeners. A listener whose client doesn't come back is closed.
 */
export class ReverseForwards {
  readonly #sys: ReverseSys;
  readonly #init: Pick<Init, "deposit" | "withdraw" | "greeting">;
  readonly #absentMs: number;
  readonly #reverse = new Map<string, Reverse>();

  /** Continues the previous agent's listeners. */
  constructor(sys: ReverseSys, init: Pick<Init, "deposit" | "withdraw" | "greeting">, absentMs = ABSENT_MS) {
    this.#sys = sys;
    this.#init = init;
    this.#absentMs = absentMs;
    for (const [name, fd] of init.greeting.deposits) {
      if (!name.startsWith(PREFIX)) continue;
      this.#add(name.slice(PREFIX.length), { fd, port: portOf(sys, fd), remove: async () => undefined });
    }
  }

  has(id: string): boolean {
    return this.#reverse.has(id);
  }

  /**
   * Serves a client until it leaves: `onWaiting` is called when a connection waits, and again after each
   * `accept`. `listen` opens a listener unless the id has one. A newer client of an id replaces the older.
   */
  async attach(
    id: string,
    listen: () => ContainerListener | Promise<ContainerListener>,
    onWaiting: () => void,
    onReplaced: () => void,
  ): Promise<AttachedClient> {
    const reverse = this.#reverse.get(id) ?? (await this.#open(id, listen));
    reverse.leave?.();
    clearTimeout(reverse.timer);
    reverse.onWaiting = onWaiting;
    const leave = () => {
      if (reverse.onWaiting !== onWaiting) return;
      reverse.unwatch?.();
      reverse.unwatch = reverse.onWaiting = reverse.leave = undefined;
      if (this.#reverse.get(id) === reverse) this.#await(id, reverse);
    };
    reverse.leave = () => {
      leave();
      onReplaced();
    };
    this.#watch(reverse);
    return { port: reverse.listener.port, leave, end: () => this.close(id) };
  }

  /** Returns the next connection, or undefined if none waits. Throws for an unknown id. The caller owns it. */
  accept(id: string): Fd | undefined {
    const reverse = this.#reverse.get(id);
    if (reverse === undefined) throw new AgentError("not-found", `forward: no reverse forward ${id}`);
    const fd = this.#sys.accept(reverse.listener.fd);
    this.#watch(reverse);
    return fd;
  }

  /** Closes a listener, such as that of a container that has ended. */
  close(id: string): void {
    const reverse = this.#reverse.get(id);
    if (reverse === undefined) return;
    this.#reverse.delete(id);
    clearTimeout(reverse.timer);
    reverse.leave?.();
    this.#sys.close(reverse.listener.fd);
    this.#init.withdraw(PREFIX + id);
    void reverse.listener.remove();
  }

  async #open(id: string, listen: () => ContainerListener | Promise<ContainerListener>): Promise<Reverse> {
    if (this.#reverse.size >= MAX_LISTENERS) {
      throw new AgentError("resource-exhausted", `forward: ${MAX_LISTENERS} reverse forwards are already open`);
    }
    const listener = await listen();
    const other = this.#reverse.get(id);
    if (other !== undefined || this.#reverse.size >= MAX_LISTENERS) {
      this.#sys.close(listener.fd);
      throw new AgentError("already-exists", `forward: the reverse forward ${id} is being opened`);
    }
    this.#init.deposit(PREFIX + id, listener.fd);
    return this.#add(id, listener);
  }

  #add(id: string, listener: ContainerListener): Reverse {
    const absent = { timer: undefined, leave: undefined, unwatch: undefined, onWaiting: undefined };
    const reverse: Reverse = { listener, ...absent };
    this.#reverse.set(id, reverse);
    this.#await(id, reverse);
    return reverse;
  }

  #await(id: string, reverse: Reverse): void {
    clearTimeout(reverse.timer);
    reverse.timer = setTimeout(() => this.close(id), this.#absentMs).unref();
  }

  /** Reports a waiting connection once; `accept` makes it look again. */
  #watch(reverse: Reverse): void {
    if (reverse.onWaiting === undefined || reverse.unwatch !== undefined) return;
    const stop = () => {
      reverse.unwatch?.();
      reverse.unwatch = undefined;
    };
    const ready = () => {
      stop();
      reverse.onWaiting?.();
    };
    reverse.unwatch = this.#sys.watch(reverse.listener.fd, ready, stop);
  }
}

function portOf(sys: ReverseSys, fd: Fd): number {
  try {
    return sys.inetPort(fd);
  } catch {
    return 0; // a unix socket
  }
}
