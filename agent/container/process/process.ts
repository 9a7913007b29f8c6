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
import { PassedInput } from "../passfd/passed-input.ts";
import { PassedOutput } from "../passfd/passed-output.ts";
import { closeStreams, type PassedStdio, type StdioName, type StreamNames } from "../passfd/passed-stream.ts";
import { InputStream } from "./input-stream.ts";
import { OutputStream } from "./output-stream.ts";

/** A process's label, which init keeps as JSON. */
export interface ProcessLabel {
  readonly container: string;
  readonly exec: string;
  /** Set if this is not a process of the container, but this command of its OCI runtime, or a hook. */
  readonly command?: string;
  /** The host's streams that its stdio goes to. */
  readonly streams?: StreamNames;
}

/** Parses a label that init kept. Returns undefined for one that no agent writes. */
export function readLabel(text: string): ProcessLabel | undefined {
  try {
    const label = JSON.parse(text) as ProcessLabel | null;
    const names = Object.values(label?.streams ?? {});
    const isLabel = typeof label?.container === "string" && typeof label.exec === "string";
    return isLabel && names.every((name) => typeof name === "string") ? label : undefined;
  } catch {
    return undefined;
  }
}

/** A process of a container: the init process or an exec. Owns its pidfd and its ends of the stdio. */
export class Process {
  readonly execId: string;
  readonly launchId: number;
  readonly pid: number;
  readonly terminal: boolean;
  readonly #kernel: Kernel;
  readonly #exit: Promise<ExitStatus>;
  readonly #stdout: OutputStream | PassedOutput;
  readonly #stderr: OutputStream | PassedOutput;
  readonly #stdin: InputStream | PassedInput;
  readonly #passed: PassedStdio | undefined;
  readonly #master: Fd | undefined;
  readonly #waiters = new Set<(status: ExitStatus) => void>();
  #release: Fd | undefined;
  #report: Fd | undefined;
  #pidfd: Fd | undefined;
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
    this.#passed = passed;
    this.execId = execId;
    this.launchId = launched.id;
    this.pid = launched.pid;
    this.#pidfd = launched.pidfd;
    this.#adoptedEnded = launched.pidfd === undefined;
    this.#master = fds.terminal;
    this.#release = fds.release;
    this.#report = fds.report;
    this.terminal = fds.terminal !== undefined;
    // Before anything reads or writes: if this fails the caller still owns the descriptors.
    const stdio = [fds.terminal, fds.stdin, fds.stdout, fds.stderr];
    for (const fd of stdio) if (fd !== undefined) kernel.sys.setNonBlocking(fd);
    this.#stdout = this.#output(fds.terminal ?? fds.stdout, "stdout");
    this.#stderr = fds.terminal === undefined ? this.#output(fds.stderr, "stderr") : this.#stdout;
    this.#stdin = this.#inputOf(fds.terminal ?? fds.stdin);
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

  /** True once it was waited for and all its output was read. */
  get finished(): boolean {
    return this.#waited && this.#stdout.ended && this.#stderr.ended;
  }

  /** Pipe end that releases it; set while it is blocked before execve. */
  get release(): Fd | undefined {
    return this.#release;
  }

  get report(): Fd | undefined {
    return this.#report;
  }

  get pidfd(): Fd {
    if (this.#pidfd === undefined) throw this.gone("its pidfd is closed");
    return this.#pidfd;
  }

  output(name: "stdout" | "stderr"): OutputStream {
    const stream = name === "stdout" ? this.#stdout : this.#stderr;
    if (this.#waited && stream.ended) throw this.gone("it was waited for and its output was read");
    if (stream instanceof PassedOutput) throw this.#isPassed("cannot get stream reader", name);
    return stream;
  }

  get input(): InputStream {
    if (this.#waited) throw this.gone("it was waited for");
    if (this.#stdin instanceof PassedInput) throw this.#isPassed("write to stdin", "stdin");
    return this.#stdin;
  }

  /** Names of the host's streams that it uses. */
  get streamNames(): string[] {
    return Object.values(this.#passed ?? {}).map(({ name }) => name);
  }

  /**
   * Resolves once the host has all output from its streams, or has read nothing for a while; at once if it has none.
   */
  async drained(): Promise<void> {
    for (const output of [this.#stdout, this.#stderr]) if (output instanceof PassedOutput) await output.drained;
  }

  /** Resolves with its status; can be called any number of times. */
  async wait(signal: AbortSignal): Promise<ExitStatus> {
    if (this.#status !== undefined) return this.#status;
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<ExitStatus>();
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    this.#waiters.add(resolve);
    try {
      return await promise;
    } finally {
      this.#waiters.delete(resolve);
      signal.removeEventListener("abort", abort);
    }
  }

  /** Called when the answer of a wait has reached the host: keeps the status and unread output, releases the rest. */
  markWaited(): void {
    this.#waited = true;
    this.#stdin.close();
    this.#stdout.settle();
    this.#stderr.settle();
    if (this.finished && !this.#keptUntilRemoved) this.#forget();
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
    if (this.#stdout.open) this.#kernel.sys.setWindowSize(this.#master, rows, columns);
  }

  /** Closes stdin for good, including the copy that init keeps. */
  async closeInput(signal: AbortSignal): Promise<void> {
    if (this.#stdin instanceof PassedInput) {
      this.#stdin.end();
      return;
    }
    await this.#stdin.end(signal);
    if (!this.terminal) this.#closeKept("stdin");
  }

  /** Closes the two pipes of the start, once the process is released or known to have failed. */
  closeStartFds(): void {
    this.#closeFd("release");
    this.#closeFd("report");
  }

  /** Closes all descriptors, here and in init. Does not affect the process itself. */
  destroy(): void {
    this.#forget();
    this.#stdin.close();
    this.#stdout.close();
    this.#stderr.close();
    closeStreams(this.#passed);
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
      this.#stdout.processExited();
      this.#stderr.processExited();
    }
    return this.#status;
  }

  #isPassed(call: string, name: StdioName): AgentError {
    const port = this.#passed?.[name]?.port;
    const where = port === undefined ? "is discarded because no port was given" : `has its own stream, port ${port}`;
    return new AgentError("internal", `${call}: ${name} of "${this.execId}" ${where}`);
  }

  #inputOf(fd: Fd | undefined): InputStream | PassedInput {
    const { sys } = this.#kernel;
    if (this.#passed?.stdin === undefined) return new InputStream(sys, fd, this.terminal);
    const input = new PassedInput(sys, fd, this.#passed.stdin, this.terminal);
    input.onEnd = () => {
      if (!this.terminal) this.#closeKept("stdin");
    };
    return input;
  }

  #output(fd: Fd | undefined, role: "stdout" | "stderr"): OutputStream | PassedOutput {
    const { sys, outputs } = this.#kernel;
    const key = { process: this.launchId, stream: role === "stdout" ? 0 : 1 } as const;
    const kept = outputs === undefined ? undefined : { journal: outputs, key };
    const stream =
      this.#passed === undefined
        ? new OutputStream(sys, fd, this.terminal, kept)
        : new PassedOutput(sys, fd, this.#passed[role], this.terminal);
    stream.onEnd = (writersGone) => {
      if (this.terminal) this.#stdin.close();
      // A remaining writer must get EPIPE; without one, init's copy is closed when the process is forgotten.
      if (this.terminal || !writersGone) this.#closeKept(this.terminal ? "terminal" : role);
      if (this.finished && !this.#keptUntilRemoved) this.#forget();
    };
    return stream;
  }

  #closeFd(role: "release" | "report" | "pidfd"): void {
    const fd = role === "release" ? this.#release : role === "report" ? this.#report : this.#pidfd;
    if (fd === undefined) return;
    this.#kernel.sys.close(fd);
    if (role === "release") this.#release = undefined;
    else if (role === "report") this.#report = undefined;
    else this.#pidfd = undefined;
    // init closes its copy of the report at the same time.
    if (role === "release") this.#closeKept(role);
  }

  #closeKept(role: KeptRole): void {
    if (!this.#forgotten) this.#kernel.init.closeKept(this.launchId, role);
  }

  /** Makes init release everything that it keeps for the process. */
  #forget(): void {
    if (!this.#forgotten) this.#kernel.init.forget(this.launchId);
    this.#forgotten = true;
  }
}
