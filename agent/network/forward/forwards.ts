import { activity } from "../../kernel/activity.ts";
import { AgentError } from "../../kernel/error.ts";
import { MAX_FORWARDS } from "../../kernel/journal/forward-ledger.ts";
import type { Fd } from "../../kernel/kernel.ts";
import { openTwoWayPipe } from "../../kernel/two-way-pipe.ts";
import { AcceptedShares } from "./accepted-shares.ts";
import { Forward } from "./forward.ts";
import { depositName, type ForwardBase, type ForwardFds, type ForwardRole, foundForwards } from "./forward-parts.ts";
import { PIPE_BYTES } from "./pump.ts";

/** How long an opened connection waits for the client's second one. */
const JOIN_MS = 10_000;

interface Opened {
  readonly place: number;
  readonly upload: Fd;
  readonly target: Fd;
  readonly timer: NodeJS.Timeout;
  readonly checkAgain: () => void;
}

/** A connection of the previous agent's, which has not left what it was allowed for. */
const unknown = () => {
  throw new AgentError(
    "permission-denied",
    "forward: the policy has changed, and the connection is an earlier agent's",
  );
};

/** All forwarded connections of this agent, and those that the previous one left. */
export class Forwards {
  readonly #base: ForwardBase;
  readonly #joinMs: number;
  /** Connected to their targets, but without the client's second connection. By id. */
  readonly #opened = new Map<string, Opened>();
  readonly #running = new Map<number, Forward>();
  readonly #accepted = new AcceptedShares();

  /** Continues the previous agent's connections. */
  constructor(base: ForwardBase, joinMs = JOIN_MS) {
    this.#base = base;
    this.#joinMs = joinMs;
    this.#completeMove();
    for (const { place, id, fds } of foundForwards(base.init.greeting.deposits)) {
      const { upload, download, target } = fds;
      const isNeeded = fds.up !== undefined || fds.down !== undefined;
      const isComplete = upload !== undefined && download !== undefined && (target !== undefined || !isNeeded);
      if (isComplete && place < MAX_FORWARDS && !this.#running.has(place)) {
        this.#run(place, id, { ...fds, upload, download }, unknown);
      } else this.#discard(place, id, fds);
    }
  }

  get size(): number {
    return this.#opened.size + this.#running.size;
  }

  /** Returns the running connections with the bytes that were moved to their targets, and from them. */
  list(): { readonly id: string; readonly sent: number; readonly received: number }[] {
    const { ledger } = this.#base;
    return Array.from(this.#running.values(), ({ id, place }) => {
      // The answer's bytes, before the data, count negatively.
      return { id, sent: ledger.moved(place, 0), received: Math.max(0, ledger.moved(place, 1)) };
    });
  }

  /** Throws if no further connection may be opened; `acceptedOf` is the container that has made it, if one has. */
  checkRoom(acceptedOf?: string): void {
    if (acceptedOf !== undefined) this.#accepted.check(acceptedOf);
    if (this.size < MAX_FORWARDS) return;
    throw new AgentError("resource-exhausted", `forward: ${MAX_FORWARDS} connections are already open`);
  }

  /** Ends the connections that are denied now, with the reason. */
  checkAgain(): void {
    for (const [id, { checkAgain }] of [...this.#opened]) {
      try {
        checkAgain();
      } catch {
        this.#close(id); // its second half is refused
      }
    }
    for (const forward of [...this.#running.values()]) forward.checkAgain();
  }

  /**
   * Owns both descriptors, even if it throws. Closes them unless `join` follows in time.
   * @param checkAgain throws once the connection isn't allowed any more
   * @param acceptedOf the container whose process has made the connection, to a reverse listener
   */
  open(id: string, upload: Fd, target: Fd, checkAgain: () => void, acceptedOf?: string): void {
    try {
      this.checkRoom(acceptedOf);
      if (this.#opened.has(id)) throw new AgentError("already-exists", `forward: the id ${id} is in use`);
    } catch (error) {
      for (const fd of [upload, target]) this.#base.sys.close(fd);
      throw error;
    }
    const timer = setTimeout(() => this.#close(id), this.#joinMs).unref();
    const place = this.#freePlace();
    if (acceptedOf !== undefined) this.#accepted.add(place, acceptedOf);
    this.#opened.set(id, { place, upload, target, timer, checkAgain });
  }

  /** True while `join` is awaited. */
  isOpened(id: string): boolean {
    return this.#opened.has(id);
  }

  /**
   * Starts the forwarding. Owns the client's second connection, even if it throws. `answer` goes to it before any data, as the first
   * bytes of its pipe: so the client gets it once, whichever agent sends it.
   */
  join(id: string, download: Fd, answer: Uint8Array): void {
    const { sys, init, ledger } = this.#base;
    const opened = this.#opened.get(id);
    if (opened === undefined) {
      sys.close(download);
      throw new AgentError("not-found", `forward: no connection ${id} waits for its second half`);
    }
    this.#opened.delete(id);
    clearTimeout(opened.timer);
    const { place, upload, target } = opened;
    const fds: { [role in ForwardRole]?: Fd } = { upload, download, target };
    try {
      fds.up = openTwoWayPipe(sys, PIPE_BYTES);
      fds.down = openTwoWayPipe(sys, PIPE_BYTES);
      if (sys.write(fds.down, answer) < answer.length)
        throw new AgentError("internal", "forward: the pipe has no room");
      ledger.setMoved(place, 0, 0);
      ledger.setMoved(place, 1, 0 - answer.length); // counts data
      // The client's connections come last: without one of them the next agent closes the other, and the client opens a new forward.
      const deposited = { up: fds.up, down: fds.down, target, download, upload };
      for (const [role, fd] of Object.entries(deposited)) init.deposit(depositName(place, id, role as ForwardRole), fd);
      this.#run(place, id, deposited, opened.checkAgain);
    } catch (error) {
      this.#discard(place, id, fds);
      throw error;
    }
  }

  #run(place: number, id: string, fds: ForwardFds, checkAgain: () => void): void {
    const onClosed = () => {
      this.#running.delete(place);
      this.#accepted.remove(place);
      activity.publish({});
    };
    const forward = new Forward(this.#base, place, id, fds, { onClosed, checkAgain });
    this.#running.set(place, forward);
    forward.start();
  }

  #close(id: string): void {
    const opened = this.#opened.get(id);
    if (opened === undefined) return;
    this.#opened.delete(id);
    this.#accepted.remove(opened.place);
    for (const fd of [opened.upload, opened.target]) this.#base.sys.close(fd);
  }

  #discard(place: number, id: string, fds: Partial<ForwardFds>): void {
    this.#accepted.remove(place);
    for (const [role, fd] of Object.entries(fds)) {
      this.#base.sys.close(fd);
      this.#base.init.withdraw(depositName(place, id, role as ForwardRole));
    }
  }

  #freePlace(): number {
    const taken = new Set([...this.#running.keys(), ...[...this.#opened.values()].map(({ place }) => place)]);
    return Array.from({ length: MAX_FORWARDS }, (_, place) => place).find((place) => !taken.has(place)) ?? -1;
  }

  /** Counts the move that the previous agent died in. */
  #completeMove(): void {
    const { ledger, sys, init } = this.#base;
    const { note } = ledger;
    if (note === undefined) return;
    const role = note.direction === 0 ? "up" : "down";
    const found = foundForwards(init.greeting.deposits).find(({ place }) => place === note.place);
    const pipe = found?.fds[role];
    if (pipe !== undefined) {
      ledger.setMoved(note.place, note.direction, note.base + note.held - sys.readable(pipe));
    }
    ledger.end();
  }
}
