import { AgentError, SystemError } from "../../kernel/error.ts";
import type { FileRoot } from "../../kernel/files/contained-files.ts";
import { ReportReader } from "../../kernel/init/report.ts";
import type { Fd, Kernel } from "../../kernel/kernel.ts";
import { EAGAIN } from "../../kernel/sys/sys-result.ts";
import { fileSystemAnswers } from "../../kernel/wait/file-system-answers.ts";
import { openLeafCgroup } from "../cgroup/leaf-cgroup.ts";
import { containerRoot } from "../container-root.ts";
import { createInit } from "../create-init.ts";
import { openRoot, readTextInside } from "../files-in-root.ts";
import { type HookTarget, runHooks, runHooksIgnoringFailures } from "../hooks/run-hooks.ts";
import { launch, launchError, openLaunchFds } from "../launch.ts";
import { namesOf } from "../passfd/passed-stream.ts";
import { compileExec } from "../plan/compile-exec.ts";
import type { CompiledPlan } from "../plan/plan-builder.ts";
import { execContext } from "../process/exec-context.ts";
import { runsInit } from "../process/has-executed.ts";
import { withHome } from "../process/home.ts";
import { isEnding } from "../process/is-ending.ts";
import { Process } from "../process/process.ts";
import { signalDirectly } from "../process/signal-handlers.ts";
import { chownStdio } from "../process/stdio-owner.ts";
import { openExecTerminal } from "../process/terminal.ts";
import type { ProcessSpec } from "../spec.ts";
import type { ContainerOptions, ExecOptions, Runtime } from "./runtime.ts";

/**
 * The default runtime, used unless an annotation names another: init forks each process and runs a launch plan in it.
 */
export class BuiltInRuntime implements Runtime {
  readonly #kernel: Kernel;
  readonly #options: ContainerOptions;
  #plan: CompiledPlan | undefined;

  constructor(kernel: Kernel, options: ContainerOptions) {
    this.#kernel = kernel;
    this.#options = options;
  }

  async create(signal: AbortSignal | undefined): Promise<Process> {
    const { process, plan } = await createInit(this.#kernel, this.#options, signal);
    this.#plan = plan;
    return process;
  }

  async start(init: Process, signal: AbortSignal, again = false, onExecuted?: () => void): Promise<void> {
    const { release, report } = init;
    if (release === undefined || report === undefined) return;
    const isExecuted = again && !runsInit(init.pid);
    if (init.status === undefined && !isExecuted) await this.#startHooks(init, signal);
    this.#release(init, release, again);
    const reader = new ReportReader(this.#kernel.sys, report);
    let result = await reader.next(signal);
    // An agent killed during the creation may have left the "ready" report unread.
    while (result.kind === "ready") result = await reader.next(signal);
    if (result.kind !== "failed") onExecuted?.();
    init.closeStartFds();
    const plan = this.#plan ?? { steps: [], slots: [] };
    this.#plan = undefined;
    if (result.kind === "failed") throw launchError(plan, result);
    await this.afterStart(init, signal);
  }

  afterStart(init: Process, signal: AbortSignal): Promise<void> {
    return runHooksIgnoringFailures(this.#kernel, "poststart", this.#hooked(init), signal);
  }

  /**
   * Writes to the release pipe. `again`: EPIPE then means that a previous agent wrote to it, but was killed before it
   * recorded that.
   */
  #release(init: Process, release: Fd, again: boolean): void {
    try {
      if (this.#kernel.sys.write(release, Uint8Array.of(1)) < 0) throw new SystemError("write", EAGAIN, "release pipe");
    } catch (error) {
      if (!(error instanceof SystemError && error.code === "EPIPE")) throw error;
      if (again) return;
      init.closeStartFds();
      const why = isEnding(this.#kernel.files, init.pid) ? "its init process has ended" : "it was started already";
      throw new AgentError("internal", `start container ${init.execId}: ${why}`, { cause: error });
    }
  }

  /**
   * Runs the startContainer hooks. If one fails, the container's init process is killed, and the container can only be
   * removed.
   */
  async #startHooks(init: Process, signal: AbortSignal): Promise<void> {
    if (this.#options.spec.hooks?.startContainer === undefined) return;
    // In the container's own pid namespace hooks end with its init process; in the pod's they would keep running.
    const ended = new AbortController();
    void init.exit.then(() => ended.abort());
    const target = { ...this.#hooked(init), pidfd: init.pidfd, ended: ended.signal };
    try {
      await runHooks(this.#kernel, "startContainer", target, signal);
      if (ended.signal.aborted) throw init.gone("it ended before it was started");
    } catch (error) {
      init.kill();
      throw error;
    }
  }

  #hooked({ pid }: Process): HookTarget {
    const { id, spec, cgroup } = this.#options;
    return { id, spec, cgroup, pid };
  }

  async exec(
    init: Process,
    execId: string,
    process: ProcessSpec,
    signal: AbortSignal,
    { passed, bornLast }: ExecOptions,
  ): Promise<Process> {
    const { pid, pidfd } = init;
    const { spec, id, pipeSize } = this.#options;
    const root = containerRoot(this.#kernel.sys, id, init);
    await fileSystemAnswers(this.#kernel.files, spec.root.path, signal);
    const env = await withHome(process.env, process.user.uid, () => this.#passwd(root, signal));
    const plan = compileExec(process, { env, ...execContext(this.#kernel.files, spec), bornLast });
    const label = { container: id, exec: execId, ...namesOf(passed) };
    return this.#inCgroup(pid, async (cgroup) => {
      const terminal = process.terminal ? await openExecTerminal(this.#kernel, root, process, signal) : undefined;
      const fds = openLaunchFds(this.#kernel, { release: false, pipeSize, terminal });
      chownStdio(this.#kernel.sys, fds, process, spec.linux);
      const slots = new Map([
        ["cgroup", cgroup],
        ["init", pidfd],
      ]);
      const launched = await launch(this.#kernel, plan, fds, slots, label, signal);
      return Process.take(this.#kernel, execId, launched, fds.own, false, passed);
    });
  }

  /**
   * Launches into the container's cgroup. If the container moved its processes into cgroups below and enabled
   * controllers there, as systemd does, the kernel rejects new processes in it; then it launches into the cgroup of the
   * container's init process, as runc does.
   */
  async #inCgroup<T>(pid: number, launchInto: (cgroup: Fd) => Promise<T>): Promise<T> {
    const { cgroup: directory } = this.#options;
    const { close } = this.#kernel.sys;
    using opened = new DisposableStack();
    const own = opened.adopt(openRoot(directory), close);
    return await launchInto(own).catch((error: unknown) => {
      if (!(error instanceof SystemError && error.call === "clone3" && error.code === "EBUSY")) throw error;
      return launchInto(opened.adopt(openLeafCgroup(this.#kernel, { directory, own, pid }), close));
    });
  }

  /** Returns undefined if the process has just ended; the launch then reports the reason. */
  async #passwd(root: FileRoot, signal: AbortSignal): Promise<string | undefined> {
    try {
      return await readTextInside(this.#kernel.contained, root, "/etc/passwd", signal);
    } catch (error) {
      if (error instanceof SystemError) return undefined;
      throw error;
    }
  }

  signal(process: Process, signal: number, isInit: boolean): void {
    signalDirectly(this.#kernel.files, process, signal, isInit);
  }

  async remove(): Promise<void> {
    // init has forgotten the processes; nothing else remains.
  }
}
