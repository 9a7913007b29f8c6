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
  /** The container that it listens in; empty for the guest. */
  readonly container: string;
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
      const id = name.slice(PREFIX.length);
      // Its container isn't known any more: it counts as one of its own.
      this.#add(id, { fd, port: portOf(sys, fd), remove: async () => undefined }, id);
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
    container: string,
    listen: () => ContainerListener | Promise<ContainerListener>,
    onWaiting: () => void,
    onReplaced: () => void,
  ): Promise<AttachedClient> {
    const reverse = this.#reverse.get(id) ?? (await this.#open(id, container, listen));
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

  /**
   * Returns the next connection and the container that made it, or undefined if none waits. Throws for an unknown id. The caller
   * owns the connection.
   */
  accept(id: string): { readonly fd: Fd; readonly container: string } | undefined {
    const reverse = this.#reverse.get(id);
    if (reverse === undefined) throw new AgentError("not-found", `forward: no reverse forward ${id}`);
    const fd = this.#sys.accept(reverse.listener.fd);
    this.#watch(reverse);
    return fd === undefined ? undefined : { fd, container: reverse.container };
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

  async #open(
    id: string,
    container: string,
    listen: () => ContainerListener | Promise<ContainerListener>,
  ): Promise<Reverse> {
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
    return this.#add(id, listener, container);
  }

  #add(id: string, listener: ContainerListener, container: string): Reverse {
    const absent = { timer: undefined, leave: undefined, unwatch: undefined, onWaiting: undefined };
    const reverse: Reverse = { container, listener, ...absent };
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
