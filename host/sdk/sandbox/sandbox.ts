import type { PlanStep } from "../../engine/container/plan-step.ts";
import type { Process, ProcessStart, TakeOutput } from "../../engine/process.ts";
import type { SpanAttributes } from "../../trace/tracer.ts";
import { loadTracing, startSpan, traced } from "../../trace/tracing.ts";
import { type CallLimits, limited, limitedItems } from "../call/limits.ts";
import type { Driver } from "../driver/driver.ts";
import { SandboxError } from "../error/sandbox-error.ts";
import { sandboxError, toSandboxError } from "../error/to-sandbox-error.ts";
import { Exec } from "../exec/exec.ts";
import { commandOf, type ExecOptions, environment, terminalOf } from "../exec/exec-options.ts";
import { checkPosition, type ExecPosition } from "../exec/position.ts";
import { Files } from "../files/files.ts";
import { type Forward, type ForwardOptions, forwardRequest } from "../network/forward.ts";
import type { ListenedPort } from "../network/ports.ts";
import type { PoolOptions, SandboxPool } from "../pool/open-pool.ts";
import type { ConnectOptions, CreateOptions, SandboxInfo } from "./options.ts";
import type { EventsOptions, SandboxEvent } from "./sandbox-event.ts";
import type { LogChunk, LogOptions } from "./sandbox-log.ts";
import type { SandboxStats } from "./sandbox-stats.ts";

/** Milliseconds for a guest's death to show after a connection to it breaks. */
const DEATH_MS = 1000;

/** A container for commands and files, in a guest of its own or at an agent. All failures are SandboxError. */
export class Sandbox implements AsyncDisposable {
  /** Files of the container. */
  readonly files: Files;
  readonly #driver: Driver;
  readonly #isOwned: boolean;

  /**
   * Wraps a driver; an owned sandbox ends with its disposal.
   *
   * @internal
   */
  constructor(driver: Driver, { isOwned }: { readonly isOwned: boolean }) {
    this.#driver = driver;
    this.#isOwned = isOwned;
    this.files = new Files(driver.files, {
      call: (name, what, limits, work) => this.#call(`files.${name}`, what, limits, work),
      items: (what, limits, items) => this.#items(what, limits, items),
    });
  }

  /**
   * Boots a guest with a container from an image, or with `address` creates a container at an agent of this machine.
   * The sandbox ends with `stop`, with its disposal, and always with this process.
   */
  static create(options: CreateOptions): Promise<Sandbox> {
    return Sandbox.#create(options, false);
  }

  static async #create(options: CreateOptions, isWarm: boolean): Promise<Sandbox> {
    const [{ createDriver }] = await Promise.all([import("./create-driver.ts"), loadTracing()]);
    return traced("Sandbox.create", {}, async () => {
      const sandbox = new Sandbox(await createDriver(options, isWarm), { isOwned: true });
      return options.lifetimeMs === undefined ? sandbox : await sandbox.#limitTo(options.lifetimeMs);
    });
  }

  /**
   * Connects to a sandbox of this user by its name, or to a container at any agent of Kata's contract by the agent's
   * address (`unix:///path`, `vsock://cid:port`, `hvsock:///path:port`) and `container`. Disposal leaves it running.
   */
  static async connect(nameOrAddress: string, options: ConnectOptions = {}): Promise<Sandbox> {
    const [{ connectDriver }] = await Promise.all([import("./connect-driver.ts"), loadTracing()]);
    return traced("Sandbox.connect", {}, async () => {
      return new Sandbox(await connectDriver(nameOrAddress, options), { isOwned: false });
    });
  }

  /**
   * Keeps sandboxes ready. `size` of them wait to be taken, and a taken one is replaced, as long as the guests of all that
   * have not ended take at most `maxMemoryMib`. Those that no one waits for have created a container before. Disposal stops those that wait; those taken belong to who took them.
   */
  static async pool({ size, maxMemoryMib, ...options }: PoolOptions): Promise<SandboxPool> {
    const { openPool } = await import("../pool/open-pool.ts");
    return openPool({ size, maxMemoryMib, options, create: (each, isWarm) => Sandbox.#create(each, isWarm) });
  }

  /** Lists the sandboxes that programs and guestctl commands of this user keep on this machine. */
  static async list(limits: CallLimits = {}): Promise<readonly SandboxInfo[]> {
    const { listSandboxes } = await import("./list-sandboxes.ts");
    return limited("list sandboxes", limits, listSandboxes);
  }

  /** Name: the container's id, or of a clone the name of its guest. */
  get name(): string {
    return this.#driver.name;
  }

  /** Address of the agent. */
  get address(): string {
    return this.#driver.address;
  }

  /** Aborted with a SandboxError once the sandbox has been stopped or has died, or its connection was closed. */
  get ended(): AbortSignal {
    return this.#driver.ended;
  }

  /**
   * Starts a command: words, or a line for the container's sh. Await it for exit code and output, or iterate over it.
   * At the limits it is killed and rejects. What has not started yet rejects too, so this never throws for the agent.
   */
  exec(command: string | readonly string[], options: ExecOptions = {}): Exec {
    const argv = commandOf(command);
    const { cwd, user, mode, keepBytes } = options;
    const request = {
      argv,
      env: environment(options.env),
      cwd,
      user,
      mode,
      keepBytes,
      terminal: terminalOf(options.tty),
    };
    const what = `exec ${JSON.stringify(argv.join(" ").slice(0, 60))} in sandbox ${this.name}`;
    return this.#newExec(what, { stdout: 0, stderr: 0 }, options, (take) => this.#start(request, take));
  }

  /**
   * Continues with an exec at a position, even in another process than the one that began it. A process has one client:
   * another one is refused, or replaced with `takeover`. The input is open with `stdin: true`, otherwise left alone.
   */
  attach(position: ExecPosition, options: AttachOptions = {}): Exec {
    const { exec, stdout, stderr, tty } = checkPosition(position);
    const { takeover = false } = options;
    const what = `attach to exec ${exec} in sandbox ${this.name}`;
    const start = (take: TakeOutput) => this.#driver.join({ position, takeover }, take);
    return this.#newExec(what, { stdout, stderr }, { ...options, tty, isJoined: true }, start);
  }

  /** Forwards a port or unix socket of this machine into the sandbox, or the reverse. */
  forward(options: ForwardOptions & CallLimits): Promise<Forward> {
    const request = forwardRequest("forward", options);
    return this.#call("forward", "forward", options, (signal) => this.#driver.forward(request, signal));
  }

  /** Lists the ports on which processes of the sandbox listen. */
  ports(limits: CallLimits = {}): Promise<readonly ListenedPort[]> {
    return this.#call("ports", "list ports", limits, (signal) => this.#driver.ports(signal));
  }

  /** Resolves once a process listens on a TCP port. */
  waitForPort(port: number, limits: CallLimits = {}): Promise<void> {
    return this.#call("waitForPort", `wait for port ${port}`, limits, (signal) =>
      this.#driver.waitForPort(port, signal),
    );
  }

  /** Yields what happens in the sandbox's guest, each event once, over any number of connections. */
  events(options: EventsOptions & CallLimits = {}): AsyncIterable<SandboxEvent> {
    const { from, follow = true } = options;
    return this.#items("events", options, (signal) => this.#driver.events({ from, follow }, signal));
  }

  /** Yields the output of the container's first process, the agent's log, or the guest's console. */
  logs(options: LogOptions & CallLimits = {}): AsyncIterable<LogChunk> {
    return this.#items("logs", options, (signal) => this.#driver.logs(options, signal));
  }

  /** Returns what the container uses. */
  stats(limits: CallLimits = {}): Promise<SandboxStats> {
    return this.#call("stats", "stats", limits, () => this.#driver.stats(limits));
  }

  /** Returns the metrics of the guest and its agent, as Prometheus text. */
  metrics(limits: CallLimits = {}): Promise<string> {
    return this.#call("metrics", "metrics", limits, () => this.#driver.metrics(limits));
  }

  /** Returns the launch plan of the container, operation by operation. */
  explain(limits: CallLimits = {}): Promise<readonly PlanStep[]> {
    return this.#call("explain", "explain", limits, () => this.#driver.explain(limits));
  }

  /** Replaces the guest's agent by the bundle of a file, or without one by its image's own. Containers keep running. */
  upgrade(
    options: CallLimits & { readonly bundle?: string } = {},
  ): Promise<{ readonly from: string; readonly to: string }> {
    return this.#call("upgrade", "upgrade", options, (signal) => this.#driver.upgrade(options.bundle, signal));
  }

  /**
   * Saves the sandbox's guest as a template, for `Sandbox.create({ template })`; it continues. Connections end meanwhile, and
   * execs continue at their byte.
   */
  snapshot(name: string, limits: CallLimits = {}): Promise<void> {
    return this.#call("snapshot", `snapshot ${name}`, limits, (signal) => this.#driver.snapshot(name, signal));
  }

  /**
   * Powers the sandbox's guest off `ms` milliseconds from now, whoever uses it; with Infinity, never. Calls in progress then
   * reject with `guest-died`.
   */
  async setTimeout(ms: number, limits: CallLimits = {}): Promise<void> {
    if (!(ms > 0)) {
      throw sandboxError("invalid-argument", `setTimeout of sandbox ${this.name}: ${ms} ms is no positive number`);
    }
    await this.#call("setTimeout", `setTimeout ${ms}`, limits, (signal) => this.#driver.setTimeout(ms, signal));
  }

  /**
   * Changes the memory of the sandbox's guest, between 128 MiB and what it was booted with. Rejects if its programs use more, or if
   * it has no balloon; it has its memory again then.
   */
  async resize({ memoryMib }: { readonly memoryMib: number }, limits: CallLimits = {}): Promise<void> {
    const what = `resize ${memoryMib} MiB`;
    if (!(Number.isInteger(memoryMib) && memoryMib > 0)) {
      const why = `${memoryMib} MiB is no positive whole number`;
      throw sandboxError("invalid-argument", `resize of sandbox ${this.name}: ${why}`);
    }
    await this.#call("resize", what, limits, (signal) => this.#driver.resize(memoryMib, signal));
  }

  /**
   * Starts copies of the sandbox's guest, with its processes and files of this moment. Returns each, or its error. This
   * process owns them.
   */
  async fork(options: CallLimits & { readonly count?: number } = {}): Promise<readonly (Sandbox | SandboxError)[]> {
    const { count = 1 } = options;
    if (!(Number.isInteger(count) && count > 0)) {
      throw sandboxError(
        "invalid-argument",
        `fork of sandbox ${this.name}: count ${count} is no positive whole number`,
      );
    }
    const clones = await this.#call("fork", "fork", options, (signal) => this.#driver.fork(count, signal));
    return clones.map((clone) => (clone instanceof SandboxError ? clone : new Sandbox(clone, { isOwned: true })));
  }

  /** Freezes all processes of the container. */
  pause(limits: CallLimits = {}): Promise<void> {
    return this.#call("pause", "pause", limits, () => this.#driver.pause(limits));
  }

  /** Lets a paused container continue. */
  resume(limits: CallLimits = {}): Promise<void> {
    return this.#call("resume", "resume", limits, () => this.#driver.resume(limits));
  }

  /** Ends the container, and powers its own guest off. Open calls reject with `stopped`. Idempotent. */
  stop(limits: CallLimits = {}): Promise<void> {
    const work = () => limited(`stop sandbox ${this.name}`, limits, () => this.#driver.stop(limits));
    return traced("Sandbox.stop", this.#attributes, work);
  }

  /** Stops a sandbox that was created here; closes the connection to another. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOwned) await this.stop();
    else await this.#driver.close();
  }

  async #limitTo(ms: number): Promise<this> {
    await using undo = new AsyncDisposableStack();
    undo.use(this);
    await this.setTimeout(ms);
    undo.move();
    return this;
  }

  #newExec(
    what: string,
    from: { readonly stdout: number; readonly stderr: number },
    {
      maxOutputBytes = MAX_OUTPUT_BYTES,
      stdin,
      tty,
      isJoined = false,
      ...limits
    }: ExecOptions & { readonly isJoined?: boolean },
    start: (take: TakeOutput) => Process,
  ): Exec {
    this.#checkEnded(what);
    const place = { version: 1, address: this.address, container: this.#driver.container, ...from, tty: Boolean(tty) };
    return new Exec({
      what,
      limits,
      maxOutputBytes,
      place,
      start,
      ended: this.ended,
      tty: Boolean(tty),
      isJoined,
      stdin: stdin ?? (tty && !isJoined ? true : undefined),
      explain: (own) => this.explain(own),
      causeOf: (error) => this.#causeOf(what, error),
    });
  }

  /** Starts a process in a span that ends with it. */
  #start(request: ProcessStart, take: TakeOutput): Process {
    const span = startSpan("Sandbox.exec", this.#attributes);
    if (span === undefined) return this.#driver.start(request, take);
    const process = span.run(() => this.#driver.start(request, take));
    process.ended.then(
      () => span.end(),
      (error: unknown) => span.end(error),
    );
    return process;
  }

  /** Calls work in the span of a method, with limits. */
  #call<T>(method: string, what: string, limits: CallLimits, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const operation = `${what} in sandbox ${this.name}`;
    return traced(`Sandbox.${method}`, this.#attributes, async () => {
      this.#checkEnded(operation);
      try {
        return await limited(operation, limits, work);
      } catch (error) {
        throw await this.#causeOf(operation, toSandboxError(operation, error));
      }
    });
  }

  get #attributes(): SpanAttributes {
    return { "container.id": this.#driver.container };
  }

  async *#items<T>(
    what: string,
    limits: CallLimits,
    items: (signal: AbortSignal) => AsyncIterable<T>,
  ): AsyncGenerator<T, void> {
    const operation = `${what} of sandbox ${this.name}`;
    this.#checkEnded(operation);
    try {
      yield* limitedItems(operation, limits, items);
    } catch (error) {
      throw await this.#causeOf(operation, toSandboxError(operation, error));
    }
  }

  #checkEnded(operation: string): void {
    if (this.ended.aborted) throw endError(operation, this.ended.reason);
  }

  /** A guest's end breaks connections first; its cause is known a little later. */
  async #causeOf(operation: string, error: SandboxError): Promise<SandboxError> {
    const { code } = error;
    if (code === "agent-lost" || code === "unreachable") {
      await this.#driver.checkAlive();
      const waiting = AbortSignal.any([this.ended, AbortSignal.timeout(DEATH_MS)]);
      if (!waiting.aborted) await new Promise((resolve) => waiting.addEventListener("abort", resolve, { once: true }));
    }
    if (code === "timeout") return error;
    return this.ended.aborted ? endError(operation, this.ended.reason) : error;
  }
}

const MAX_OUTPUT_BYTES = 64 << 20;

/** Options of `sandbox.attach`; `timeoutMs` and `signal` kill the command. */
export interface AttachOptions extends Pick<ExecOptions, "stdin" | "maxOutputBytes" | "timeoutMs" | "signal"> {
  /** Replaces another client that is attached. */
  readonly takeover?: boolean;
}

/** Returns the error of a call to a sandbox that has ended. */
function endError(operation: string, reason: unknown): SandboxError {
  const { code, message, remedy } = toSandboxError(operation, reason);
  const why = message.slice(0, message.length - remedy.length - 2);
  return new SandboxError(code, `${operation}: ${why}`, { remedy, cause: reason });
}
