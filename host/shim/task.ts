import { streamedProcess } from "../engine/attach/container-process.ts";
import { streamsPlace } from "../engine/guest/streams-place.ts";
import type { Process } from "../engine/process.ts";
import { OperationError } from "../operation-error.ts";
import { ANSWER, type PodContainer } from "./pod-container.ts";
import { KILLED, type ProcessExit, type TaskProcess } from "./task-process.ts";

const SIGKILL = 9;
/** PID_MAX_LIMIT of Linux. */
const MOST_PIDS = 2 ** 22;

/** A container of the engine: its first process, and those that were started in it. */
export class Task {
  readonly container: PodContainer;
  readonly bundle: string;
  readonly init: TaskProcess;
  /** By exec id. */
  readonly execs = new Map<string, TaskProcess>();
  isPaused = false;
  readonly #pids = new Map<string, number>();
  #added = 0;

  constructor(container: PodContainer, bundle: string, init: TaskProcess) {
    this.container = container;
    this.bundle = bundle;
    this.init = init;
  }

  get id(): string {
    return this.container.id;
  }

  get agent() {
    return this.container.guest.client.agent;
  }

  /** Returns QEMU's pid for the first process. Docker tells processes apart by their pids, so an exec gets a number above all pids. */
  pid(exec = ""): number {
    return exec === "" ? this.container.pid : (this.#pids.get(exec) ?? 0);
  }

  /** Adds an exec that was not started yet. */
  addExec(exec: string, process: TaskProcess): void {
    this.execs.set(exec, process);
    this.#pids.set(exec, MOST_PIDS + ++this.#added);
  }

  /** Returns the first process for an empty id. Throws OperationError. */
  process(exec: string): TaskProcess {
    const found = exec === "" ? this.init : this.execs.get(exec);
    if (found !== undefined) return found;
    throw new OperationError(`container ${this.id}: no process ${exec}`, { kind: "not-found" });
  }

  /** Starts its first process or an exec. */
  async start(exec: string): Promise<void> {
    const process = this.process(exec);
    const { signal } = this.container.guest.guest;
    await process.start(async (take): Promise<Process> => {
      const { address, dial } = streamsPlace({ address: this.container.guest.address });
      const { spec, paths } = process;
      const begin = { stdout: 0, stderr: paths.terminal ? undefined : 0 };
      if (spec === undefined) await this.agent.startContainer({ container_id: this.id }, ANSWER);
      const request = spec === undefined ? { exec: this.id, from: begin } : { exec, process: spec };
      return streamedProcess(address, { container: this.id, ...request }, { signal, dial }, take);
    });
  }

  /** Sends a signal to a process, or to all of them. Throws OperationError if it has ended. */
  async kill(exec: string, signal: number, all: boolean): Promise<void> {
    const process = this.process(exec);
    if (process.state === "stopped") throw new OperationError("process already finished", { kind: "not-found" });
    if (process.state === "created" && exec !== "") return process.end(128 + signal);
    const exec_id = all ? "" : exec || this.id;
    await this.agent.signalProcess({ container_id: this.id, exec_id, signal }, ANSWER);
    if (process.state === "created") process.end(128 + signal);
    else if (signal === SIGKILL) void this.#endUnread(process, exec);
  }

  /** Forgets an exec that has ended or wasn't started, and says how it ended. */
  removeExec(exec: string): ProcessExit | undefined {
    const process = this.process(exec);
    process[Symbol.dispose]();
    this.execs.delete(exec);
    this.#pids.delete(exec);
    return process.ended;
  }

  /** Removes it, if its first process doesn't run, and says how that ended. */
  async remove(): Promise<ProcessExit | undefined> {
    this.init[Symbol.dispose]();
    await this.container.remove();
    this.end();
    await this.container.runHooks("poststop", "stopped").catch(() => undefined); // it is gone in any case
    return this.init.ended;
  }

  /** Ends all its processes, since their guest has died. */
  end(): void {
    for (const process of [...this.execs.values(), this.init]) if (process.state === "running") process.end(KILLED);
  }

  async #endUnread(process: TaskProcess, exec: string): Promise<void> {
    try {
      const { status } = await this.agent.waitProcess({ container_id: this.id, exec_id: exec || this.id });
      await process.endUnread(status & 0xff);
    } catch {
      // Its stream or its guest's death tells.
    }
  }
}
