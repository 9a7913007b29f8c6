import { SIGKILL } from "../kernel/constants.ts";
import { AgentError } from "../kernel/error.ts";
import type { Fd, Kernel } from "../kernel/kernel.ts";
import { publishEvent } from "../kernel/lifecycle.ts";
import { Lock } from "../kernel/wait/lock.ts";
import { tracedStep } from "../kernel/wait/traced-step.ts";
import { waitUntil } from "../kernel/wait/wait-until.ts";
import { killCgroup } from "./cgroup/cgroup.ts";
import { isFrozen } from "./cgroup/cgroup-freeze.ts";
import { Freezer } from "./cgroup/freezer.ts";
import { Execs } from "./execs.ts";
import { openForReading } from "./files-in-root.ts";
import { namespaceInode } from "./namespaces/namespace-inode.ts";
import { sortNamespaces } from "./namespaces/namespaces.ts";
import type { PassedStdio } from "./passfd/passed-stream.ts";
import { checkProcess } from "./process/check-process.ts";
import { hasExecuted, isReady } from "./process/has-executed.ts";
import { inherit } from "./process/inherit.ts";
import { isEnding } from "./process/is-ending.ts";
import type { Process } from "./process/process.ts";
import { chooseRuntime } from "./runtime/choose-runtime.ts";
import type { ContainerOptions, Runtime } from "./runtime/runtime.ts";
import { waitsPrivileged } from "./runtime/runtime-profile.ts";
import type { ProcessSpec, Spec } from "./spec.ts";
import { TracerState } from "./tracer-state.ts";

/**
 * Abort reason of a removal. All containers share it, because every error records a stack; `#removedOr` replaces it
 * with an error that names the container.
 */
const REMOVED = new AgentError("internal", "the container is being removed");

/** A container from creation to removal: its init process, and its execs by id. */
export class Container {
  readonly id: string;
  readonly cgroup: string;
  /** Replaced when an update changes the resources. */
  spec: Spec;
  readonly #kernel: Kernel;
  readonly #runtime: Runtime;
  readonly #lock = new Lock();
  /** Freezes its processes for a pause or for a TraceGuard. */
  readonly freezer: Freezer;
  readonly #execs: Execs;
  /** Aborted when the removal begins: cancels every wait for a launch. */
  readonly #removal = new AbortController();
  readonly #init: Process;
  #paused = false;
  /** Inode of its pid namespace; undefined if its init process ended before this agent started. */
  readonly pidNamespace: number | undefined;
  readonly #tracer: TracerState;

  private constructor(
    kernel: Kernel,
    options: ContainerOptions,
    runtime: Runtime,
    init: Process,
    execs: readonly Process[] = [],
  ) {
    this.#kernel = kernel;
    this.id = options.id;
    this.spec = options.spec;
    this.cgroup = options.cgroup;
    this.freezer = new Freezer(kernel.files, options.cgroup);
    this.#runtime = runtime;
    this.#init = init;
    this.#execs = new Execs(options.id, execs);
    this.#tracer = new TracerState(options);
    void init.exit.then(() => kernel.contained.end(this.id));
    this.pidNamespace = init.status === undefined ? namespaceInode(`/proc/${init.pid}/ns/pid`) : undefined;
  }

  /** Creates a container; resolves when its init process is blocked before execve. `signal` cancels the creation. */
  static async create(kernel: Kernel, options: ContainerOptions, signal?: AbortSignal): Promise<Container> {
    const runtime = chooseRuntime(kernel, options);
    return new Container(kernel, options, runtime, await runtime.create(signal));
  }

  /** Restores a container after a restart of the agent, from the state that init kept. */
  static restore(
    kernel: Kernel,
    options: ContainerOptions,
    init: Process,
    execs: readonly Process[],
    held = false,
  ): Container {
    const container = new Container(kernel, options, chooseRuntime(kernel, options), init, execs);
    container.#paused = !held && isFrozen(kernel.files, options.cgroup);
    container.#tracer.assume();
    for (const process of container.processes) {
      if (process.release === undefined && process.status === undefined) container.#reportExit(process);
    }
    return container;
  }

  get init(): Process {
    return this.#init;
  }

  get processes(): Process[] {
    return [this.#init, ...this.#execs.started];
  }

  /** True if one of its processes may trace the processes that init launches, now or later. */
  get mayTrace(): boolean {
    return this.#tracer.mayTrace && !this.#hasEnded;
  }

  /**
   * True once all its processes have ended: the kernel kills a pid namespace's processes together with its first one.
   */
  get #hasEnded(): boolean {
    return this.#init.status !== undefined && sortNamespaces(this.spec.linux.namespaces).newPid;
  }

  /** True if such a process runs, or is about to. Set right before the call of `ContainerTraceGuard.settled`. */
  get traces(): boolean {
    return this.#tracer.traces && !this.#hasEnded;
  }

  /** True if it certainly may trace; after a restart of the agent `mayTrace` is only a guess. */
  get isKnownTracer(): boolean {
    return this.#tracer.isKnown && !this.#hasEnded;
  }

  /** True if its init process waits for `start` with more privileges than the container will have. */
  get waitsPrivileged(): boolean {
    const { release, status } = this.#init;
    return release !== undefined && status === undefined && waitsPrivileged(this.spec.annotations);
  }

  /** See ContainerTraceGuard.settled. */
  get exposed(): Iterable<Promise<unknown>> {
    return this.#tracer.exposed;
  }

  /** True if its processes are frozen or about to be: a new process would not run. */
  get paused(): boolean {
    return this.#paused;
  }

  /**
   * Freezes all its processes; resolves once they are frozen. The container may be created or running; rejects if it
   * has ended or is paused.
   */
  pause(signal: AbortSignal): Promise<void> {
    return this.#lock.run(async () => {
      if (this.#paused || this.#init.status !== undefined) throw this.#wrongState("pause");
      this.#paused = true;
      try {
        // Otherwise their callers would wait until the container is resumed.
        await waitUntil(Promise.allSettled(this.#execs.launching), signal);
        await this.freezer.set(true, signal);
      } catch (error) {
        this.#paused = false;
        throw this.#removedOr(error);
      }
    });
  }

  /** Thaws the processes that `pause` froze. */
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
   * Releases the init process; resolves when its execve has succeeded and its poststart hooks have ended. `again`: a
   * killed agent may have released it already. `onExecuted` is called between execve and the hooks.
   */
  start(again = false, onExecuted?: () => void): Promise<void> {
    return this.#lock.run(async () => {
      if (again && this.#init.release === undefined) return;
      if (this.#init.release === undefined) throw this.#refusal("start container", "it was started already");
      if (!again && this.#init.status !== undefined) {
        throw this.#refusal("start container", "its init process has ended");
      }
      if (this.#paused) throw this.#refusal("start container", "it is paused; resume it first");
      this.#tracer.starts();
      const { signal } = this.#removal;
      try {
        if (this.#tracer.traces) await this.#tracer.settled(signal);
        await this.#runtime.start(this.#init, signal, again, onExecuted);
      } catch (error) {
        throw error === REMOVED ? this.#removedOr(error) : error;
      }
      publishEvent({ type: "container-started", container: this.id });
      this.#reportExit(this.#init);
    });
  }

  /** Does the part of `start` that follows `onExecuted`, if the agent was killed in between. */
  afterStart(): Promise<void> {
    return this.#lock.run(() => this.#runtime.afterStart(this.#init, this.#removal.signal));
  }

  /**
   * Launches an exec; resolves when its execve has succeeded. The id of an exec that was waited for can be reused.
   * `signal` cancels the launch.
   */
  async exec(execId: string, process: ProcessSpec, signal?: AbortSignal, passed?: PassedStdio): Promise<Process> {
    checkProcess(process);
    this.checkFree(execId);
    this.checkNotRemoved();
    const { signal: removal } = this.#removal;
    if (this.#init.status !== undefined) throw this.#refusal("exec in container", "its init process has ended");
    if (this.#paused) throw this.#refusal("exec in container", "it is paused; resume it first");
    const cancelled = signal === undefined ? removal : AbortSignal.any([signal, removal]);
    const inherited = inherit(this.spec.process, process);
    const isTracer = this.#tracer.adds(inherited);
    const options = { passed, bornLast: this.#tracer.isTraceable };
    const launching = tracedStep("launch process", async () => {
      if (isTracer) await this.#tracer.settled(cancelled);
      return await this.#runtime.exec(this.#init, execId, inherited, cancelled, options);
    });
    this.#execs.launch(execId, launching);
    if (!options.bornLast) this.#tracer.exposed.add(launching);
    try {
      const started = await launching;
      this.#execs.add(started);
      publishEvent({ type: "exec-started", container: this.id, exec: execId });
      this.#reportExit(started);
      return started;
    } catch (error) {
      if (cancelled.aborted || !isEnding(this.#kernel.files, this.#init.pid)) throw this.#removedOr(error, signal);
      throw this.#refusal("exec in container", "its init process has ended", error);
    } finally {
      this.#execs.launchEnded(execId);
      this.#tracer.exposed.delete(launching);
    }
  }

  /** True if the init process, launched before the agent restarted, is ready for its start. */
  isReady(signal: AbortSignal): Promise<boolean> {
    return isReady(this.#kernel.sys, this.#init, signal);
  }

  /** True if an exec, launched before the agent restarted, has passed execve. */
  async hasExecuted(execId: string, signal: AbortSignal): Promise<boolean> {
    const exec = this.#execs.find(execId);
    return exec !== undefined && hasExecuted(exec, signal);
  }

  /** Throws if the id is in use: INTERNAL by contract. */
  checkFree(execId: string): void {
    this.#execs.checkFree(execId);
  }

  /** Returns the init process for `""` and the container's own id, otherwise the exec. */
  find(execId: string): Process {
    const process = execId === "" || execId === this.id ? this.#init : this.#execs.find(execId);
    if (process === undefined) {
      throw new AgentError("not-found", `process not found: no exec "${execId}" in container ${this.id}`);
    }
    return process;
  }

  /** Returns an exec that was launched and is still remembered. */
  findExec(execId: string): Process | undefined {
    return this.#execs.find(execId);
  }

  /**
   * Sends a signal. SIGKILL with an empty id kills all processes; SIGTERM becomes SIGKILL for an init process that
   * would not notice it; 0 only checks that the process exists. `beforeSend` is called right before a signal that
   * must not be repeated.
   */
  async signal(execId: string, signal: number, beforeSend: () => void = () => undefined): Promise<void> {
    if (execId === "" && signal === SIGKILL) {
      this.#killAll();
      this.#init.kill();
      return;
    }
    const process = this.find(execId);
    if (process.waited) throw process.gone("ESRCH: No such process");
    if (signal === 0) return;
    beforeSend();
    await this.#runtime.signal(process, signal, process === this.#init);
  }

  /** Opens its pid namespace. The caller closes the descriptor. */
  openPidNamespace(): Fd {
    return openForReading(`/proc/${this.#init.pid}/ns/pid`);
  }

  /**
   * Kills all its processes, waits until those that init tracks have ended, and closes all descriptors. Can be called
   * again after `signal` has cancelled the wait, and by several callers at once.
   */
  async remove(signal: AbortSignal): Promise<void> {
    this.#removal.abort(REMOVED);
    this.#killAll();
    await Promise.allSettled(this.#execs.launching);
    for (const process of this.processes) process.kill();
    for (const process of this.processes) await process.wait(signal);
    for (const process of this.processes) process.destroy();
    this.#execs.clear();
    await this.#kernel.contained.end(this.id);
    await this.#runtime.remove();
  }

  #killAll(): void {
    killCgroup(this.#kernel.files, this.cgroup);
    this.#kernel.killed?.watch(this.cgroup);
  }

  /** Publishes the end of a process that has started, once it ends. */
  #reportExit(process: Process): void {
    const name = { container: this.id, ...(process === this.#init ? {} : { exec: process.execId }) };
    const type = process === this.#init ? "container-exited" : "exec-exited";
    void process.exit.then(({ code, signal }) => publishEvent({ type, ...name, code, signal }));
  }

  /** Throws if the removal has begun: its cgroup and processes go away. */
  checkNotRemoved(): void {
    const { aborted, reason } = this.#removal.signal;
    if (aborted) throw this.#removedOr(reason);
  }

  /** Replaces an error during a removal with one that names the removal, unless the caller has cancelled. */
  #removedOr(error: unknown, caller?: AbortSignal): unknown {
    const { signal } = this.#removal;
    return signal.aborted && caller?.aborted !== true ? this.#refusal("", "is being removed") : error;
  }

  /** Error with the reference agent's text and code. */
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
