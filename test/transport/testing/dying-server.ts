import type { Socket } from "node:net";
import { SystemError } from "../../../agent/kernel/error.ts";
import { createJournalMemory, journalIn } from "../../../agent/kernel/journal/journal.ts";
import type { Fd } from "../../../agent/kernel/kernel.ts";
import { adoptStream } from "../../../agent/kernel/sys/streams.ts";
import { createInitDouble } from "../../../agent/kernel/testing/init-double.ts";
import { diagnostics, type ResumedEvent } from "../../../agent/transport/diagnostics.ts";
import { RpcServer } from "../../../agent/transport/rpc-server.ts";
import { FakeTable } from "./fake-table.ts";
import { sys } from "./serve.ts";

/** Moments at which an agent may be killed. */
export type Moment = "deposit" | "before read" | "after read" | "before write" | "after write";

/** Error of a connection that is reset. */
class Died extends SystemError {
  constructor() {
    super("read", 104, "dead");
  }
}

/**
 * An agent's RpcServer that dies at a chosen moment: from then on it writes nothing to a socket, and its journal stays
 * as it was. A successor can be created from what is left.
 */
export class DyingServer {
  readonly table = new FakeTable();
  readonly server: RpcServer;
  /** Descriptors that init keeps. */
  readonly deposits: Map<string, Fd>;
  /** Number of bytes that the sockets still accept. */
  room = Number.POSITIVE_INFINITY;
  /** Number of bytes that it has read. */
  received = 0;
  #memory: ArrayBuffer;
  #left: ArrayBuffer | undefined;
  #moment: Moment | undefined;

  constructor(memory = createJournalMemory(), deposits = new Map<string, Fd>()) {
    this.#memory = memory;
    this.deposits = deposits;
    const journal = journalIn(this.#memory).calls;
    const init = {
      ...createInitDouble(sys),
      deposit: (name: string, fd: Fd) => {
        this.deposits.set(name, fd);
        this.#reach("deposit");
      },
      withdraw: (name: string) => void (this.dead || this.deposits.delete(name)),
    };
    const around = <T>(before: Moment, after: Moment, work: () => T): T => {
      this.#reach(before);
      const result = work();
      this.#reach(after);
      return result;
    };
    const ours = {
      ...sys,
      endConnection: (fd: Fd) => (this.dead ? undefined : sys.endConnection(fd)),
      close: (fd: Fd) => (this.dead ? undefined : sys.close(fd)),
      watch: (fd: Fd, onReady: () => void, onLost: (error: unknown) => void) =>
        sys.watch(fd, () => (this.dead ? undefined : untilDeath(onReady)), onLost),
      receive: (fd: Fd, region: Uint8Array) =>
        around("before read", "after read", () => {
          const got = sys.receive(fd, region);
          this.received += Math.max(got, 0);
          return got;
        }),
      send: (fd: Fd, region: Uint8Array, length: number) =>
        around("before write", "after write", () => {
          const taken = sys.send(fd, region, Math.min(length, this.room));
          this.room -= Math.max(taken, 0);
          return taken;
        }),
    };
    this.server = new RpcServer({ sys: ours, init, journal }, this.table);
  }

  get dead(): boolean {
    return this.#left !== undefined;
  }

  /** Makes the server die the next time that it reaches this moment. */
  dieAt(moment: Moment): void {
    this.#moment = moment;
  }

  dieNow(): void {
    this.#left ??= this.#memory.slice(0);
    this.#memory = new ArrayBuffer(0);
  }

  /** Opens a connection. Returns the client's end. */
  connect(): Socket {
    const [fd, other] = sys.socketPair("stream");
    this.server.accept(fd);
    return adoptStream(other);
  }

  /** Creates the next agent. Returns it with its events about each connection. */
  successor(undone: Promise<unknown> = Promise.resolve()): {
    next: RpcServer;
    table: FakeTable;
    events: ResumedEvent[];
  } {
    if (this.#left === undefined) throw new Error("the server is alive");
    const table = new FakeTable();
    const events: ResumedEvent[] = [];
    const listen = (event: unknown): void => void events.push(event as ResumedEvent);
    const init = createInitDouble(sys);
    const next = new RpcServer({ sys, init, journal: journalIn(this.#left).calls }, table);
    diagnostics.resumed.subscribe(listen);
    next.resume(this.deposits, undone);
    diagnostics.resumed.unsubscribe(listen);
    return { next, table, events };
  }

  /** Creates the next agent, which dies when it begins a call of `Fatal`. Its sockets accept `room` bytes. */
  dyingSuccessor(room = Number.POSITIVE_INFINITY): DyingServer {
    const next = new DyingServer(this.#left, this.deposits);
    next.room = room;
    next.table.onFatal = () => next.dieNow();
    next.server.resume(this.deposits, Promise.resolve());
    return next;
  }

  #reach(moment: Moment): void {
    if (this.dead) throw new Died();
    if (moment !== this.#moment) return;
    this.dieNow();
    throw new Died();
  }
}

function untilDeath(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Died)) throw error;
  }
}
