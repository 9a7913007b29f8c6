import { statSync } from "node:fs";
import { SIGKILL } from "../kernel/constants.ts";
import { AgentError } from "../kernel/error.ts";
import type { Fd, Kernel } from "../kernel/kernel.ts";
import { Lock } from "../kernel/wait/lock.ts";
import { tracedStep } from "../kernel/wait/traced-step.ts";
import { waitUntil } from "../kernel/wait/wait-until.ts";
import { killCgroup } from "./cgroup/cgroup.ts";
import { isFrozen } from "./cgroup/cgroup-freeze.ts";
import { Freezer } from "./cgroup/freezer.ts";
import { openForReading } from "./files-in-root.ts";
import { sortNamespaces } from "./namespaces/namespaces.ts";
import type { PassedStdio } from "./passfd/passed-stream.ts";
import { hasUserNamespace } from "./plan/compile-exec.ts";
import { mayTrace } from "./process/capabilities.ts";
import { checkProcess } from "./process/check-process.ts";
import { hasExecuted, isReady } from "./process/has-executed.ts";
import { inherit } from "./process/inherit.ts";
import { isEnding } from "./process/is-ending.ts";
import type { Process } from "./process/process.ts";
import { chooseRuntime } from "./runtime/choose-runtime.ts";
import type { ContainerOptions, ContainerTraceGuard, Runtime } from "./runtime/runtime.ts";
import { waitsPrivileged } from "./runtime/runtime-profile.ts";
import type { ProcessSpec, Spec } from "./spec.ts";

/** Ended execs that are remembered, so that a late wait still gets its status. */
const MAX_ENDED = 1024;

/** Why its calls are aborted: one for all containers, as each error records a stack. `#removedOr` makes it the container's own. */
const REMOVED = new AgentError("internal", "the container is being removed");

/** A container from its creation to its removal: the init process, and execs by id. */
export class Container {
  readonly id: string;
  readonly cgroup: string;
  /** An update of its resources changes it. */
  spec: Spec;
  readonly #kernel: Kernel;
  readonly #runtime: Runtime;
  readonly #lock = new Lock();
  /** Of its processes, for a pause and for a TraceGuard. */
  readonly freezer: Freezer;
  readonly #execs = new Map<string, Process>();
  /** Execs that have not executed yet, by id. */
  readonly #launching = new Map<string, Promise<Process>>();
  /** Aborts when it is to be removed: ends what waits for a launch. */
  readonly #removal = new AbortController();
  readonly #init: Process;
  #paused = false;
  /** Inode of its pid namespace; undefined when its init process had ended before this agent began. */
  readonly pidNamespace: number | undefined;
  readonly #traceGuard: ContainerTraceGuard | undefined;
  /** Launches that trust in that nobody can trace what is born in its pid namespace. */
  readonly #exposed = new Set<Promise<unknown>>();
  #mayTrace: boolean;
  /** A process that may trace runs in it, or is about to. */
  #traces = false;
  /** Its spec, or an exec of this agent's time, has what it takes to trace. */
  #isKnownTracer: boolean;

  private constructor(kernel: Kernel, options: ContainerOptions, runtime: Runtime, init: Process) {
    this.#kernel = kernel;
    this.id = options.id;
    this.spec = options.spec;
    this.cgroup = options.cgroup;
    this.freezer = new Freezer(kernel.files, options.cgroup);
    this.#runtime = runtime;
    this.#init = init;
    this.#traceGuard = options.traceGuard;
    this.#mayTrace = this.#isKnownTracer = this.#isTracer(options.spec.process);
    this.pidNamespace = init.status === undefined ? inodeOf(`/proc/${init.pid}/ns/pid`) : undefined;
  }

  /** The process is made and blocked before execve when this resolves; `signal` gives the creation up. */
  static async create(kernel: Kernel, options: ContainerOptions, signal?: AbortSignal): Promise<Container> {
    const runtime = chooseRuntime(kernel, options);
    return new Container(kernel, options, runtime, await runtime.create(signal));
  }

  /** After a restart of the agent, from what init kept. */
  static restore(
    kernel: Kernel,
    options: ContainerOptions,
    init: Process,
    execs: readonly Process[],
    held = false,
  ): Container {
    const container = new Container(kernel, options, chooseRuntime(kernel, options), init);
    for (const exec of execs) container.#execs.set(exec.execId, exec);
    container.#paused = !held && isFrozen(kernel.files, options.cgroup);
    container.#mayTrace = container.#traces = !container.#inUser; // nobody knows what its execs were given
    return container;
  }

  get init(): Process {
    return this.#init;
  }

  get processes(): Process[] {
    return [this.#init, ...this.#execs.values()];
  }

  /** One of its processes may trace what init makes, or may come to that. */
  get mayTrace(): boolean {
    return this.#mayTrace && !this.#hasEnded;
  }

  /** All its processes have ended: the kernel kills what is in a pid namespace with its first process. */
  get #hasEnded(): boolean {
    return this.#init.status !== undefined && sortNamespaces(this.spec.linux.namespaces).newPid;
  }

  /** One of them runs, or is about to. Set at the moment in which it asks for `ContainerTraceGuard.settled`. */
  get traces(): boolean {
    return this.#traces && !this.#hasEnded;
  }

  /** True where it is known, not only possible, that it may trace: what `mayTrace` says after a restart is a guess. */
  get isKnownTracer(): boolean {
    return this.#isKnownTracer && !this.#hasEnded;
  }

  /** Its process waits for `start`, and has more than the container will. */
  get waitsPrivileged(): boolean {
    const { release, status } = this.#init;
    return release !== undefined && status === undefined && waitsPrivileged(this.spec.annotations);
  }

  /** See ContainerTraceGuard.settled. */
  get exposed(): Iterable<Promise<unknown>> {
    return this.#exposed;
  }

  /** Its processes are frozen, or about to be: a new one would not run. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Freezes all its processes; resolves when they are. Started or not; one that has ended or is paused is refused. */
  pause(signal: AbortSignal): Promise<void> {
    return this.#lock.run(async () => {
      if (this.#paused || this.#init.status !== undefined) throw this.#wrongState("pause");
      this.#paused = true;
      try {
        // Else their callers would wait until somebody resumes it.
        await waitUntil(Promise.allSettled(this.#launching.values()), signal);
        await this.freezer.set(true, signal);
      } catch (error) {
        this.#paused = false;
        throw this.#removedOr(error);
      }
    });
  }

  /** Thaws what `pause` froze. */
  resume(signal: AbortSignal): Promise<void> {
    return this.#lock.run(async () => {
      if (!this.#paused) throw this.#wrongState("resume");
      try {
        await this.freezer.set(false, signal);
      } catch (error) {
        throw this.#removedOr(error);
      }
      this.#paused = false;
    });
  }

  /**
   * Releases the init process; resolves when its execve has succeeded and its poststart hooks have ended. `again`: an agent that
   * was killed may have come to that. `onExecuted`: it has succeeded, and hooks follow.
   */
  start(again = false, onExecuted?: () => void): Promise<void> {
    return this.#lock.run(async () => {
      if (again && this.#init.release === undefined) return;
      if (this.#init.release === undefined) throw this.#refusal("start container", "it was started already");
      if (!again && this.#init.status !== undefined) {
        throw this.#refusal("start container", "its init process has ended");
      }
      if (this.#paused) throw this.#refusal("start container", "it is paused; resume it first");
      this.#traces = this.#mayTrace;
      const { signal } = this.#removal;
      try {
        if (this.#mayTrace) await this.#untilSettled(signal);
        if (this.#isKnownTracer) this.#traceGuard?.refuseTracer();
        await this.#runtime.start(this.#init, signal, again, onExecuted);
      } catch (error) {
        throw error === REMOVED ? this.#removedOr(error) : error;
      }
    });
  }

  /** What follows `onExecuted`, for an agent that was killed meanwhile. */
  afterStart(): Promise<void> {
    return this.#lock.run(() => this.#runtime.afterStart(this.#init, this.#removal.signal));
  }

  /** Resolves when its execve has succeeded. The id of an exec that was waited for is free again. `signal` gives it up. */
  async exec(execId: string, process: ProcessSpec, signal?: AbortSignal, passed?: PassedStdio): Promise<Process> {
    checkProcess(process);
    this.checkFree(execId);
    const { signal: removal } = this.#removal;
    if (removal.aborted) throw this.#removedOr(removal.reason);
    if (this.#init.status !== undefined) throw this.#refusal("exec in container", "its init process has ended");
    if (this.#paused) throw this.#refusal("exec in container", "it is paused; resume it first");
    const givenUp = signal === undefined ? removal : AbortSignal.any([signal, removal]);
    const asked = inherit(this.spec.process, process);
    const tracer = this.#isTracer(asked);
    this.#mayTrace ||= tracer;
    this.#traces ||= tracer;
    this.#isKnownTracer ||= tracer;
    const options = { passed, bornLast: this.#traceGuard?.mayBeTraced() ?? false };
    const launching = tracedStep("launch process", async () => {
      if (tracer) {
        await this.#untilSettled(givenUp);
        this.#traceGuard?.refuseTracer();
      }
      return await this.#runtime.exec(this.#init, execId, asked, givenUp, options);
    });
    this.#launching.set(execId, launching);
    if (!options.bornLast) this.#exposed.add(launching);
    try {
      const started = await launching;
      this.#execs.get(execId)?.destroy();
      this.#execs.set(execId, started);
      this.#dropEnded();
      return started;
    } catch (error) {
      if (givenUp.aborted || !isEnding(this.#kernel.files, this.#init.pid)) throw this.#removedOr(error, signal);
      throw this.#refusal("exec in container", "its init process has ended", error);
    } finally {
      this.#launching.delete(execId);
      this.#exposed.delete(launching);
    }
  }

  /** Nobody in a user namespace can trace what the guest's root has made and is not dumpable. */
  #isTracer({ capabilities }: ProcessSpec): boolean {
    return !this.#inUser && mayTrace(capabilities);
  }

  get #inUser(): boolean {
    return hasUserNamespace(this.spec.linux.namespaces);
  }

  /** Before a process runs that may trace others. */
  async #untilSettled(signal: AbortSignal): Promise<void> {
    if (this.#traceGuard !== undefined) await waitUntil(this.#traceGuard.settled(), signal);
  }

  /** After a restart: whether the process that an agent before has launched stands ready for its start. */
  isReady(signal: AbortSignal): Promise<boolean> {
    return isReady(this.#kernel.sys, this.#init, signal);
  }

  /** After a restart: whether an exec that an agent before has launched executes its program, or has. */
  async hasExecuted(execId: string, signal: AbortSignal): Promise<boolean> {
    const exec = this.#execs.get(execId);
    return exec !== undefined && hasExecuted(exec, signal);
  }

  /** Throws for an id that is in use: INTERNAL by contract. */
  checkFree(execId: string): void {
    if (!this.has(execId)) return;
    throw new AgentError("internal", `exec process: the exec id ${JSON.stringify(execId)} already exists`);
  }

  has(execId: string): boolean {
    if (execId === "" || execId === this.id || this.#launching.has(execId)) return true;
    return this.#execs.get(execId)?.waited === false;
  }

  /** `""` and the container's own id are the init process. */
  find(execId: string): Process {
    const process = execId === "" || execId === this.id ? this.#init : this.#execs.get(execId);
    if (process === undefined) {
      throw new AgentError("not-found", `process not found: no exec "${execId}" in container ${this.id}`);
    }
    return process;
  }

  /**
   * KILL with an empty id reaches all processes; TERM becomes KILL for an init process that would not notice it; 0 asks
   * whether there is such a process. `about` is called when one is about to be sent that must not be sent twice.
   */
  async signal(execId: string, signal: number, about: () => void = () => undefined): Promise<void> {
    if (execId === "" && signal === SIGKILL) {
      killCgroup(this.#kernel.files, this.cgroup);
      this.#init.kill();
      return;
    }
    const process = this.find(execId);
    if (process.waited) throw process.gone("ESRCH: No such process");
    if (signal === 0) return;
    about();
    await this.#runtime.signal(process, signal, process === this.#init);
  }

  /** Its pid namespace, as a descriptor that the caller closes. */
  openPidNamespace(): Fd {
    return openForReading(`/proc/${this.#init.pid}/ns/pid`);
  }

  /**
   * Kills everything and waits for the end of what init tracks; then lets go of all descriptors. When `signal` ends the
   * wait it may be asked again, and several may ask at once.
   */
  async remove(signal: AbortSignal): Promise<void> {
    this.#removal.abort(REMOVED);
    killCgroup(this.#kernel.files, this.cgroup);
    await Promise.allSettled(this.#launching.values());
    for (const process of this.processes) process.kill();
    for (const process of this.processes) await process.wait(signal);
    for (const process of this.processes) process.destroy();
    this.#execs.clear();
    await this.#runtime.remove();
  }

  /** First those that nobody can ask more of than their status; of them and of the others the oldest, unread output and all. */
  #dropEnded(): void {
    if (this.#execs.size <= MAX_ENDED) return;
    const ended = [...this.#execs.values()].filter(({ status }) => status !== undefined);
    const surplus = ended.length - MAX_ENDED;
    if (surplus <= 0) return;
    const last = (exec: Process) => (exec.finished ? 0 : exec.waited ? 1 : 2);
    for (const exec of ended.sort((a, b) => last(a) - last(b)).slice(0, surplus)) {
      exec.destroy();
      this.#execs.delete(exec.execId);
    }
  }

  /** A removal is why all else fails, unless the caller has given up. */
  #removedOr(error: unknown, caller?: AbortSignal): unknown {
    const { signal } = this.#removal;
    return signal.aborted && caller?.aborted !== true ? this.#refusal("", "is being removed") : error;
  }

  /** As the reference agent says it, and with its code. */
  #wrongState(call: string): AgentError {
    const { status, release } = this.#init;
    const state =
      status !== undefined ? "Stopped" : this.#paused ? "Paused" : release !== undefined ? "Created" : "Running";
    return new AgentError("internal", `failed to ${call} container ${this.id}: current status is: ${state}`);
  }

  #refusal(call: string, why: string, cause?: unknown): AgentError {
    return new AgentError(
      "internal", // by contract
      call === "" ? `container ${this.id} ${why}` : `${call} ${this.id}: ${why}`,
      { cause },
    );
  }
}

/** Undefined for a process that has just ended. */
function inodeOf(path: string): number | undefined {
  try {
    return statSync(path).ino;
  } catch {
    return undefined;
  }
}
