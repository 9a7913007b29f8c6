import { SIGKILL } from "../../kernel/constants.ts";
import { AgentError, SystemError } from "../../kernel/error.ts";
import type {
  AdoptedProcess,
  ExitStatus,
  Fd,
  KeptFds,
  KeptRole,
  Kernel,
  RestoredProcess,
} from "../../kernel/kernel.ts";
import { ForwardedStdio } from "../passfd/forwarded-stdio.ts";
import { closeStreams, type PassedStdio } from "../passfd/passed-stream.ts";
import { HeldStdio } from "./held-stdio.ts";
import type { InputStream } from "./input-stream.ts";
import type { OutputStream } from "./output-stream.ts";
import type { OutputName, Stdio } from "./stdio.ts";

/** A process of a container: the init process or an exec. Owns its pidfd and its ends of the stdio. */
export class Process {
  readonly execId: string;
  readonly launchId: number;
  readonly pid: number;
  readonly terminal: boolean;
  readonly #kernel: Kernel;
  readonly #exit: Promise<ExitStatus>;
  readonly #stdio: Stdio;
  readonly #master: Fd | undefined;
  readonly #waiters = new Set<(status: ExitStatus) => void>();
  /** Descriptors that are closed as soon as they have served. */
  readonly #fds: Record<"release" | "report" | "pidfd", Fd | undefined>;
  /** True if it had ended before init adopted it; init reports the end next. */
  readonly #adoptedEnded: boolean;
  #status: ExitStatus | undefined;
  #waited = false;
  #forgotten = false;
  /**
   * True for a container's init process: init keeps it until the container is removed, even after the process has
   * ended.
   */
  readonly #keptUntilRemoved: boolean;

  constructor(
    kernel: Kernel,
    execId: string,
    launched: AdoptedProcess,
    fds: KeptFds,
    keptUntilRemoved = false,
    passed?: PassedStdio,
  ) {
    this.#kernel = kernel;
    this.#keptUntilRemoved = keptUntilRemoved;
    this.execId = execId;
    this.launchId = launched.id;
    this.pid = launched.pid;
    this.#adoptedEnded = launched.pidfd === undefined;
    this.#master = fds.terminal;
    this.#fds = { release: fds.release, report: fds.report, pidfd: launched.pidfd };
    this.terminal = fds.terminal !== undefined;
    // Before anything reads or writes: if this fails the caller still owns the descriptors.
    const stdio = [fds.terminal, fds.stdin, fds.stdout, fds.stderr];
    for (const fd of stdio) if (fd !== undefined) kernel.sys.setNonBlocking(fd);
    this.#stdio =
      passed === undefined
        ? new HeldStdio(kernel, this.launchId, fds)
        : new ForwardedStdio(kernel.sys, execId, fds, passed);
    this.#watchEnds();
    this.#exit = launched.exit.then((status) => this.#exited(status));
  }

  static restore(
    kernel: Kernel,
    execId: string,
    restored: RestoredProcess,
    keptUntilRemoved = false,
    passed?: PassedStdio,
  ): Process {
    const process = new Process(kernel, execId, restored, restored.kept, keptUntilRemoved, passed);
    if (restored.exited !== undefined) process.#exited(restored.exited);
    return process;
  }

  /** Takes over a launched process with its descriptors; if that fails, kills and forgets it. */
  static take(...parts: ConstructorParameters<typeof Process>): Process {
    try {
      return new Process(...parts);
    } catch (error) {
      const [{ sys, init }, , launched, fds] = parts;
      try {
        if (launched.pidfd !== undefined) sys.signal(launched.pidfd, SIGKILL);
      } catch {
        // It has ended.
      }
      for (const fd of [launched.pidfd, ...Object.values(fds)]) if (fd !== undefined) sys.close(fd);
      init.forget(launched.id);
      throw error;
    }
  }

  /** Resolves with the status when the process ends. */
  get exit(): Promise<ExitStatus> {
    return this.#exit;
  }

  get status(): ExitStatus | undefined {
    return this.#status;
  }

  /** True once a host has received its status. */
  get waited(): boolean {
    return this.#waited;
  }

  /** True once it was waited for and the host has all its output. */
  get finished(): boolean {
    return this.#waited && this.#stdio.stdout.ended && this.#stdio.stderr.ended;
  }

  /** Pipe end that releases it; set while it is blocked before execve. */
  get release(): Fd | undefined {
    return this.#fds.release;
  }

  get report(): Fd | undefined {
    return this.#fds.report;
  }

  get pidfd(): Fd {
    const { pidfd } = this.#fds;
    if (pidfd === undefined) throw this.gone("its pidfd is closed");
    return pidfd;
  }

  /** Returns an output that the host reads by calls. */
  output(name: OutputName): OutputStream {
    if (this.#waited && this.#stdio[name].ended) throw this.gone("it was waited for and its output was read");
    return this.#stdio.reader(name);
  }

  /** The input, if the host writes it by calls. */
  get input(): InputStream {
    if (this.#waited) throw this.gone("it was waited for");
    return this.#stdio.writer();
  }

  /** Names of the host's streams that it uses. */
  get streamNames(): string[] {
    return Object.values(this.#stdio.streams).map(({ name }) => name);
  }

  /**
   * Resolves once the host has all output from its streams, or has read nothing for a while; at once if it has none.
   */
  drained(): Promise<void> {
    return this.#stdio.drained();
  }

  /** Calls back when it ends, unless the returned function is called before; `status` is set then. */
  onExit(listener: (status: ExitStatus) => void): () => void {
    this.#waiters.add(listener);
    return () => this.#waiters.delete(listener);
  }

  /** Resolves with its status; can be called any number of times. */
  async wait(signal: AbortSignal): Promise<ExitStatus> {
    if (this.#status !== undefined) return this.#status;
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<ExitStatus>();
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    const forget = this.onExit(resolve);
    try {
      return await promise;
    } finally {
      forget();
      signal.removeEventListener("abort", abort);
    }
  }

  /** Called when the answer of a wait has reached the host: keeps the status and unread output, releases the rest. */
  markWaited(): void {
    this.#waited = true;
    const { stdin, stdout, stderr } = this.#stdio;
    stdin.close();
    stdout.settle();
    stderr.settle();
    this.#forgetIfFinished();
  }

  /** Sends a signal; does nothing if the process has ended, even if init has not reported the end yet. */
  signal(number: number): void {
    if (this.#status !== undefined || this.#adoptedEnded) return;
    try {
      this.#kernel.sys.signal(this.pidfd, number);
    } catch (error) {
      if (!(error instanceof SystemError && error.code === "ESRCH")) throw error;
    }
  }

  kill(): void {
    this.signal(SIGKILL);
  }

  resize(rows: number, columns: number): void {
    if (this.#waited) throw this.gone("it was waited for");
    if (this.#master === undefined) throw new AgentError("unavailable", `resize of ${this.execId}: it has no tty`);
    if (this.#stdio.stdout.open) this.#kernel.sys.setWindowSize(this.#master, rows, columns);
  }

  /** Closes stdin for good, including the copy that init keeps. */
  closeInput(signal: AbortSignal): Promise<void> {
    return this.#stdio.stdin.end(signal);
  }

  /** Closes the two pipes of the start, once the process is released or known to have failed. */
  closeStartFds(): void {
    this.#closeFd("release");
    this.#closeFd("report");
  }

  /** Closes all descriptors, here and in init. Does not affect the process itself. */
  destroy(): void {
    this.#forget();
    const { stdin, stdout, stderr, streams } = this.#stdio;
    for (const stream of [stdin, stdout, stderr]) stream.close();
    closeStreams(streams);
    this.closeStartFds();
    this.#closeFd("pidfd");
  }

  gone(why: string): AgentError {
    return new AgentError("not-found", `process not found: "${this.execId}" (${why})`);
  }

  #exited(status: ExitStatus): ExitStatus {
    if (this.#status === undefined) {
      this.#status = status;
      this.#closeFd("pidfd");
      for (const resolve of this.#waiters) resolve(status);
      this.#stdio.stdout.processExited();
      this.#stdio.stderr.processExited();
    }
    return this.#status;
  }

  /** Has init close its copy of each stream at the end, and forget a process of which nothing is left to read. */
  #watchEnds(): void {
    const { stdin, stdout, stderr } = this.#stdio;
    const ended = (role: KeptRole, writersGone: boolean) => {
      // A remaining writer must get EPIPE; without one, init's copy is closed when the process is forgotten. So is a terminal
      // that clients attach to: by its descriptor the next agent knows that the process had one.
      const isKept = this.terminal ? stdout.isAttached : writersGone;
      if (!isKept) this.#closeKept(role);
      this.#forgetIfFinished();
    };
    stdout.onDelivered = stderr.onDelivered = () => this.#forgetIfFinished();
    if (this.terminal) {
      stdout.onEnd = (writersGone) => {
        stdin.close();
        ended("terminal", writersGone);
      };
      return;
    }
    stdin.onEnd = () => this.#closeKept("stdin");
    stdout.onEnd = (writersGone) => ended("stdout", writersGone);
    stderr.onEnd = (writersGone) => ended("stderr", writersGone);
  }

  #closeFd(role: "release" | "report" | "pidfd"): void {
    const fd = this.#fds[role];
    if (fd === undefined) return;
    this.#kernel.sys.close(fd);
    this.#fds[role] = undefined;
    // init closes its copy of the report at the same time.
    if (role === "release") this.#closeKept(role);
  }

  #closeKept(role: KeptRole): void {
    if (!this.#forgotten) this.#kernel.init.closeKept(this.launchId, role);
  }

  #forgetIfFinished(): void {
    if (this.finished && !this.#keptUntilRemoved) this.#forget();
  }

  /** Makes init release everything that it keeps for the process. */
  #forget(): void {
    if (!this.#forgotten) this.#kernel.init.forget(this.launchId);
    this.#forgotten = true;
  }
}
