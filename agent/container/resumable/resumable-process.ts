import { AgentError } from "../../kernel/error.ts";
import type { OutputMode } from "../../kernel/journal/stream-ledger.ts";
import type { ExitStatus } from "../../kernel/kernel.ts";
import type { OutputOwner } from "../process/output-owner.ts";
import type { OutputStream } from "../process/output-stream.ts";
import type { Process } from "../process/process.ts";
import type { AttachedOutput } from "./attached-output.ts";
import { ResumableInput } from "./resumable-input.ts";
import type { ResumableParts } from "./resumable-output.ts";
import { SpooledOutput } from "./spooled-output.ts";

/** Most observers of one process. */
const MAX_OBSERVERS = 32;
/** How long observers that are behind keep the output of a process whose end was acknowledged. */
const LAST_READ_MS = 5000;
/**
 * How long a process that was started to wait for no client (RING, SPOOL) waits for one whose connection is lost: as long as
 * clients try to connect again.
 */
const LOST_CLIENT_MS = 60_000;

/** An attachment that sees the output of a process. */
export interface Observer {
  /** Random text that names the client over all its connections. */
  readonly client: string;
  /** Ends the attachment: the process and its output are gone. */
  removed(reason?: AgentError): void;
}

/** One client's attachment, which a later one may replace. */
export interface Owner extends Observer {
  /** Ends the attachment; `by` is the client that replaces it. */
  replaced(by: string): void;
  /** Asks the client whether it is still there; ends the attachment if it doesn't answer. */
  probe(): void;
}

/** A process, or what is left of one whose container was removed. */
export type AttachedTo = Pick<Process, "launchId" | "execId" | "terminal" | "status" | "waited" | "resize" | "onExit">;

/** A process of a container: its first one has an empty id. */
export interface ContainerProcess {
  readonly container: string;
  readonly process: Process;
}

export interface ProcessEvents {
  /** The process is about to be removed; its output can still be taken. */
  removing(attached: ResumableProcess): void;
  removed(attached: ResumableProcess, live: ContainerProcess): void;
  /** A call reads the output that is kept for a log. */
  called(attached: ResumableProcess, live: ContainerProcess): void;
}

/** Makes the output of a stream. `source` is undefined if nothing follows any more. */
export type OutputFactory = (stream: 0 | 1, source: OutputStream | undefined) => AttachedOutput;

/**
 * A process whose stdio clients attach to, one at a time, and any number of observers. Kept until a client has acknowledged
 * its end.
 */
export class ResumableProcess implements OutputOwner {
  readonly process: AttachedTo;
  readonly stdout: AttachedOutput;
  /** Undefined if the process has a terminal. */
  readonly stderr: AttachedOutput | undefined;
  /** Undefined if the container was removed. */
  readonly stdin: ResumableInput | undefined;
  readonly place: number;
  readonly #ledger: ResumableParts["ledger"];
  readonly #live: ContainerProcess | undefined;
  readonly #events: ProcessEvents | undefined;
  /** Undefined until the first one: most processes have none. */
  #observers: Set<Observer> | undefined;
  /** Clients of observers that were cut off, and may come back. */
  #cutOff: Set<string> | undefined;
  /** Set once a client has acknowledged the end: called when the last observer is gone. */
  #onUnobserved: (() => void) | undefined;
  readonly #sources: readonly OutputStream[];
  #owner: Owner | undefined;
  /** Runs while the process waits for a client whose connection is lost. */
  #waiting: NodeJS.Timeout | undefined;
  #removal: "removing" | "removed" | undefined;
  #closed = false;

  /** Throws if calls read the output. */
  constructor(parts: ResumableParts, live: ContainerProcess, output: OutputFactory, events: ProcessEvents);
  /** `terminal` and status of a process whose container was removed. */
  constructor(parts: ResumableParts, process: AttachedTo, output: OutputFactory);
  constructor(
    parts: ResumableParts,
    attachedTo: ContainerProcess | AttachedTo,
    output: OutputFactory,
    events?: ProcessEvents,
  ) {
    this.#live = "container" in attachedTo ? attachedTo : undefined;
    this.#events = events;
    const live = this.#live?.process;
    const process = "container" in attachedTo ? attachedTo.process : attachedTo;
    this.process = process;
    this.place = parts.place;
    this.#ledger = parts.ledger;
    const names = process.terminal ? (["stdout"] as const) : (["stdout", "stderr"] as const);
    this.#sources = live === undefined ? [] : names.map((name) => live.output(name));
    this.stdin = live && new ResumableInput(parts, live);
    for (const source of this.#sources) source.checkFree();
    this.stdout = output(0, this.#sources[0]);
    try {
      this.stderr = process.terminal ? undefined : output(1, this.#sources[1]);
    } catch (error) {
      this.stdout.close();
      throw error;
    }
    for (const source of this.#sources) source.attach(this);
    this.#limitWaiting();
  }

  /** One of its sources is about to be closed. */
  closing(): void {
    if (this.#removal === undefined && !this.#closed) this.#events?.removing(this);
    this.#removal ??= "removing";
  }

  /** One of its sources was closed. */
  closed(): void {
    const isFirst = this.#removal !== "removed" && !this.#closed;
    if (isFirst && this.#live !== undefined) this.#events?.removed(this, this.#live);
    this.#removal = "removed";
  }

  /** A call reads one of its sources. */
  called(): void {
    if (this.isLog && this.#live !== undefined) this.#events?.called(this, this.#live);
  }

  /** The attached client; undefined also while its connection is lost. */
  get owner(): Owner | undefined {
    return this.#owner;
  }

  set owner(owner: Owner | undefined) {
    this.#owner = owner;
    this.#limitWaiting();
  }

  get mode(): OutputMode {
    return this.#ledger.mode(this.place);
  }

  /** True if it is kept for a container's log. */
  get isLog(): boolean {
    const { keeper } = this.mode;
    return keeper === "log" || keeper === "new";
  }

  get outputs(): AttachedOutput[] {
    return this.stderr === undefined ? [this.stdout] : [this.stdout, this.stderr];
  }

  /** The sources of its outputs, in the order of `outputs`; none if its container was removed. */
  get sources(): readonly OutputStream[] {
    return this.#sources;
  }

  /** True once it has ended and no client is attached: it only waits for one to take the rest. */
  get isLeft(): boolean {
    return (
      this.mode.keeper === "client" &&
      this.#owner === undefined &&
      !this.isReleased &&
      (this.#observers?.size ?? 0) === 0 &&
      this.process.status !== undefined
    );
  }

  /** True once a client has acknowledged its end. */
  get isReleased(): boolean {
    return this.#onUnobserved !== undefined;
  }

  /** Makes a process whose output goes to files wait for its client, or not. Throws if the output is in pipes. */
  setHeld(isHeld: boolean): void {
    const { mode } = this;
    if (mode.kind === "hold" && !isHeld) {
      throw new AgentError(
        "failed-precondition",
        "attach: the process's output is held; its mode is chosen at its start",
      );
    }
    const keeper = mode.keeper === "new" ? "log" : mode.keeper;
    if (mode.isHeld === isHeld && mode.keeper === keeper) return;
    this.#ledger.setMode(this.place, { ...mode, isHeld, keeper });
    for (const output of this.outputs) if (output instanceof SpooledOutput) output.wake();
  }

  /** Adds an observer; returns the function that removes it, for good or cut off. Throws if there are too many. */
  observe(observer: Observer): (isForGood: boolean) => void {
    this.#observers ??= new Set();
    this.#cutOff ??= new Set();
    const [observers, cutOff] = [this.#observers, this.#cutOff];
    if (observers.size >= MAX_OBSERVERS) {
      throw new AgentError("resource-exhausted", `attach: ${MAX_OBSERVERS} observers are attached to the process`);
    }
    observers.add(observer);
    cutOff.delete(observer.client);
    const ends = this.outputs.map((output) => output.observe());
    return (isForGood) => {
      if (!observers.delete(observer)) return;
      for (const end of ends) end();
      if (!isForGood && cutOff.size < MAX_OBSERVERS) cutOff.add(observer.client);
      if (!this.#isObserved) this.#onUnobserved?.();
    };
  }

  /** Calls `done` once no observer reads any more, at the latest after some seconds, in which observers can read the rest. */
  release(done: () => void): void {
    if (!this.#isObserved) {
      done();
      return;
    }
    const end = () => {
      clearTimeout(timer);
      this.#endObservers();
      done();
    };
    const timer = setTimeout(end, LAST_READ_MS).unref();
    this.#onUnobserved = end;
  }

  /** True while observers read, or may come back to read. */
  get #isObserved(): boolean {
    return (this.#observers?.size ?? 0) + (this.#cutOff?.size ?? 0) > 0;
  }

  /** Number of clients and observers that are attached now. */
  get clients(): number {
    return (this.#owner === undefined ? 0 : 1) + (this.#observers?.size ?? 0);
  }

  /** Ends every attachment. */
  endAll(reason?: AgentError): void {
    this.#owner?.removed(reason);
    this.#endObservers(reason);
  }

  /** Ends the outputs: a client has all of them, or never will. */
  finish(): void {
    for (const output of this.outputs) output.finish();
  }

  /** Releases the outputs and lets the process be forgotten: a client has all of it, or never will. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#waiting);
    for (const output of this.outputs) output.close();
    for (const source of this.#sources) source.detach();
  }

  /** Lets the process continue if no client comes back. A log waits for its client as long as the container runs. */
  #limitWaiting(): void {
    clearTimeout(this.#waiting);
    if (this.#closed || this.#owner !== undefined) return;
    const { isHeld, keeper, kind } = this.mode;
    if (kind === "hold" || !isHeld || keeper !== "client") return;
    this.#waiting = setTimeout(() => this.setHeld(false), LOST_CLIENT_MS).unref();
  }

  #endObservers(reason?: AgentError): void {
    for (const observer of [...(this.#observers ?? [])]) observer.removed(reason);
  }
}

/** Returns what clients may ask of a process whose container was removed. */
export function endedProcess(launchId: number, terminal: boolean, status: ExitStatus): AttachedTo {
  return {
    launchId,
    execId: "",
    terminal,
    status,
    waited: true,
    resize: () => undefined,
    onExit: () => () => undefined,
  };
}
