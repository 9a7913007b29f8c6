import { AgentError } from "../kernel/error.ts";
import type { Process } from "./process/process.ts";

/** Ended execs to keep, so that a late WaitProcess still gets the status. */
const MAX_ENDED = 1024;

/** Ended execs that are dropped before the others, one kind after the other. */
const DROPPED_FIRST: readonly ((exec: Process) => boolean)[] = [
  ({ finished }) => finished,
  ({ waited }) => waited,
  () => true,
];

/** A container's execs by id, from their launch until they are dropped. */
export class Execs {
  readonly #container: string;
  readonly #started: Map<string, Process>;
  /** Execs that have not passed execve yet. */
  readonly #launching = new Map<string, Promise<Process>>();

  constructor(container: string, restored: readonly Process[]) {
    this.#container = container;
    this.#started = new Map(restored.map((exec) => [exec.execId, exec]));
  }

  get started(): Iterable<Process> {
    return this.#started.values();
  }

  get launching(): Iterable<Promise<Process>> {
    return this.#launching.values();
  }

  /** Throws if the id is in use: INTERNAL by contract. */
  checkFree(id: string): void {
    if (!this.#has(id)) return;
    throw new AgentError("internal", `exec process: the exec id ${JSON.stringify(id)} already exists`);
  }

  find(id: string): Process | undefined {
    return this.#started.get(id);
  }

  /** Reserves the id of a launch, until `launchEnded`. */
  launch(id: string, launching: Promise<Process>): void {
    this.#launching.set(id, launching);
  }

  launchEnded(id: string): void {
    this.#launching.delete(id);
  }

  /** Adds an exec that has passed execve, in place of one with the same id that was waited for. */
  add(exec: Process): void {
    this.#started.get(exec.execId)?.destroy();
    this.#started.set(exec.execId, exec);
    if (this.#started.size > MAX_ENDED) this.#dropEnded();
  }

  clear(): void {
    this.#started.clear();
  }

  /** True if the id is in use. That of an exec which was waited for is free. */
  #has(id: string): boolean {
    if (id === "" || id === this.#container || this.#launching.has(id)) return true;
    return this.#started.get(id)?.waited === false;
  }

  /** Drops the oldest ended execs, with any unread output: fully read ones first, then those already waited for. */
  #dropEnded(): void {
    let surplus = -MAX_ENDED;
    for (const { status } of this.#started.values()) if (status !== undefined) surplus++;
    for (const isNext of DROPPED_FIRST) {
      for (const exec of this.#started.values()) {
        if (surplus <= 0) return;
        if (exec.status === undefined || !isNext(exec)) continue;
        exec.destroy();
        this.#started.delete(exec.execId);
        surplus--;
      }
    }
  }
}
