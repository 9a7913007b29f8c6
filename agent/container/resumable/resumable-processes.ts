import { AgentError } from "../../kernel/error.ts";
import {
  KEY_BYTES,
  MAX_LEDGER_ENTRIES,
  type OutputMode,
  type StreamLedger,
} from "../../kernel/journal/stream-ledger.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { OutputStream } from "../process/output-stream.ts";
import type { Process } from "../process/process.ts";
import { ByteMover } from "./byte-mover.ts";
import { KeptLogs } from "./kept-logs.ts";
import { KeptPipes } from "./kept-pipes.ts";
import { keepBytesOf, MAX_SPOOL_BYTES, MIN_KEEP_BYTES, type OutputRequest } from "./output-request.ts";
import { ResumableOutput, type ResumableParts } from "./resumable-output.ts";
import { type ContainerProcess, type ProcessEvents, ResumableProcess } from "./resumable-process.ts";
import { SpooledOutput } from "./spooled-output.ts";
import { Spools } from "./spools.ts";

/** Name of a terminal's kept pipe, by launch id. */
const pipeName = (process: number) => `${process}:0`;
const STREAMS = [0, 1] as const;
const HOLD: OutputRequest = { kind: "hold", keepBytes: 0 };

/** How long a container's log drops nothing, so that a host can attach or read right after the start. */
const NEW_LOG_MS = 2000;

/** The processes that clients attach to, by launch id. All of it is in the ledger, in files and in init, for the next agent. */
export class ResumableProcesses implements ProcessEvents {
  /** Logs of containers. */
  readonly logs: KeptLogs;
  readonly #sys: Kernel["sys"];
  readonly #pipes: KeptPipes;
  readonly #spools: Spools;
  readonly #ledger: StreamLedger;
  readonly #mover: ByteMover;
  readonly #attached = new Map<number, ResumableProcess>();
  /** Places of starts that the previous agent didn't complete, and of which no client has asked since. */
  readonly #unclaimed = new Set<number>();

  /** Restores the previous agent's; `processes` are all that still exist, `directory` is for spools. */
  constructor(
    kernel: Pick<Kernel, "sys" | "init">,
    ledger: StreamLedger,
    processes: readonly ContainerProcess[],
    directory: string,
  ) {
    this.#sys = kernel.sys;
    this.#pipes = new KeptPipes(kernel);
    this.#spools = new Spools(directory);
    this.#ledger = ledger;
    const openFile = (place: number, stream: 0 | 1) =>
      ledger.places.includes(place) ? this.#spools.openFile(place, stream) : undefined;
    this.#mover = new ByteMover(kernel.sys, this.#pipes, ledger, openFile);
    this.logs = new KeptLogs(ledger, this.#spools, {
      partsOf: (place) => this.#partsOf(place),
      output: (parts, stream, source) => this.#spooled(parts, stream, source),
      free: (place, launchId) => this.#free(place, launchId),
    });
    const byLaunch = new Map(processes.map((each) => [each.process.launchId, each]));
    for (const place of ledger.places) {
      const launchId = ledger.process(place);
      if (ledger.mode(place).keeper === "remains" && this.logs.restore(place)) continue;
      const found = launchId === undefined ? undefined : byLaunch.get(launchId);
      // The process may have started: its client will ask for it by its key.
      if (launchId === undefined) this.#unclaimed.add(place);
      else if (found === undefined) this.#free(place, launchId);
      else this.#restore(place, found);
    }
    this.#pipes.dropOthers();
    this.#spools.removeOthers((place) => ledger.places.includes(place));
  }

  /** Random for each boot of the guest, start of a service, or clone. */
  get epoch(): Uint8Array {
    return this.#ledger.epoch;
  }

  find(process: Process): ResumableProcess | undefined {
    return this.#attached.get(process.launchId);
  }

  /** Hash of everything that the process was started with; zeros if it wasn't started for a client. */
  keyOf(attached: ResumableProcess): Uint8Array {
    return this.#ledger.key(attached.place);
  }

  /** Returns the place of a start that the previous agent didn't complete, which is then the caller's. */
  claim(key: Uint8Array): number | undefined {
    const place = [...this.#unclaimed].find((it) => Buffer.from(this.#ledger.key(it)).equals(key));
    if (place !== undefined) this.#unclaimed.delete(place);
    return place;
  }

  /**
   * Notes that a process is about to be started; `add` or `cancel` follows. If all places are in use, drops a start that no
   * client has claimed, the oldest log of a removed container, or else the oldest ended process without a client.
   */
  prepare(
    key: Uint8Array = new Uint8Array(KEY_BYTES),
    request = HOLD,
    keeper: OutputMode["keeper"] = "client",
  ): number {
    const keepBytes = keepBytesOf(request);
    this.#reserve(2 * keepBytes);
    const place = this.claim(key) ?? this.#ledger.take(key) ?? (this.#makeRoom() ? this.#ledger.take(key) : undefined);
    if (place === undefined) {
      const line = `attach: ${MAX_LEDGER_ENTRIES} processes are attached to, or keep output for their clients`;
      throw new AgentError("resource-exhausted", `${line}; end one`);
    }
    const { kind } = request;
    this.#ledger.setMode(place, { kind, isHeld: kind === "hold" || keeper === "new", keeper });
    for (const stream of STREAMS) this.#ledger.setCapacity(place, stream, keepBytes);
    return place;
  }

  cancel(place: number): void {
    this.#ledger.free(place);
  }

  /** Keeps the stdio of a process for clients from now on. Throws, and frees the place, if calls read its output. */
  add(place: number, live: ContainerProcess): ResumableProcess {
    const { launchId } = live.process;
    this.#ledger.setProcess(place, launchId);
    try {
      return this.#attach(place, live);
    } catch (error) {
      this.#free(place, launchId);
      throw error;
    }
  }

  /** Keeps a log of a container's first process, unless a client is attached. Throws if its output can't be kept. */
  log(container: string, process: Process, keepBytes: number): void {
    if (this.find(process) !== undefined || process.streamNames.length > 0) return;
    const place = this.prepare(undefined, { kind: "spool", keepBytes: Math.max(keepBytes, MIN_KEEP_BYTES) }, "new");
    this.add(place, { container, process });
  }

  /** Ends the keeping: a client has acknowledged the end of the process, or the process was removed. A log stays. */
  release(attached: ResumableProcess): void {
    const { process, place } = attached;
    const { launchId } = process;
    if (this.#attached.get(launchId) !== attached || attached.isReleased) return;
    if (attached.isLog) {
      attached.setHeld(false);
      markWaited(process);
      return;
    }
    attached.release(() => {
      if (!this.#attached.delete(launchId)) return; // it was removed meanwhile
      attached.finish();
      attached.close();
      markWaited(process);
      this.#free(place, launchId);
    });
  }

  #restore(place: number, live: ContainerProcess): void {
    const { process } = live;
    const { keeper } = this.#ledger.mode(place);
    try {
      if (keeper === "given") this.logs.give(this.#partsOf(place), process);
      else this.#attach(place, live);
    } catch {
      this.#free(place, process.launchId); // such as of a process whose stdio was removed meanwhile
    }
  }

  removing(attached: ResumableProcess): void {
    // Output that clients were sent may still be in the process's pipe.
    if (attached.mode.kind === "hold") attached.endAll();
    for (const each of attached.outputs) if (each instanceof SpooledOutput) each.takeRest();
  }

  removed(attached: ResumableProcess, { container, process }: ContainerProcess): void {
    this.#attached.delete(process.launchId);
    if (attached.isLog && this.logs.keep(container, attached)) return;
    attached.endAll();
    attached.close();
    this.#free(attached.place, process.launchId);
  }

  called(attached: ResumableProcess, { process }: ContainerProcess): void {
    if (attached.owner !== undefined) return;
    this.#attached.delete(process.launchId);
    attached.endAll(new AgentError("failed-precondition", "logs: the host reads the output by calls"));
    this.logs.give(this.#partsOf(attached.place), process, attached);
  }

  #attach(place: number, live: ContainerProcess): ResumableProcess {
    const parts = this.#partsOf(place);
    const { process } = live;
    const { launchId } = process;
    const { kind } = this.#ledger.mode(place);
    const output = (stream: 0 | 1, source: OutputStream | undefined) => {
      if (kind !== "hold") return this.#spooled(parts, stream, source);
      if (source === undefined) throw new AgentError("internal", "attach: the output is gone");
      const kept = process.terminal ? this.#pipes.open(pipeName(launchId)) : undefined;
      return new ResumableOutput(parts, stream, source, kept);
    };
    const attached = new ResumableProcess(parts, live, output, this);
    this.#attached.set(launchId, attached);
    if (attached.mode.keeper === "new") setTimeout(() => this.#dropNew(attached), NEW_LOG_MS).unref();
    return attached;
  }

  /** Lets a new log drop its oldest bytes from now on. */
  #dropNew(attached: ResumableProcess): void {
    const isKept = this.#attached.get(attached.process.launchId) === attached;
    if (isKept && attached.mode.keeper === "new") attached.setHeld(false);
  }

  #spooled(parts: ResumableParts, stream: 0 | 1, source: OutputStream | undefined): SpooledOutput {
    const file = this.#spools.openFile(parts.place, stream);
    try {
      const hasTimes = this.#ledger.mode(parts.place).kind === "spool";
      const times = hasTimes ? this.#spools.openTimes(parts.place, stream) : undefined;
      return new SpooledOutput(parts, stream, source, file, times);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  #partsOf(place: number): ResumableParts {
    return { sys: this.#sys, ledger: this.#ledger, mover: this.#mover, place };
  }

  /**
   * Throws unless so many more bytes may be kept in files. Drops logs of removed containers for them, then the output of ended
   * processes without a client, the oldest first.
   */
  #reserve(bytes: number): void {
    if (bytes === 0) return;
    const { places } = this.#ledger;
    const used = () =>
      places.reduce((sum, place) => sum + this.#ledger.capacity(place, 0) + this.#ledger.capacity(place, 1), 0);
    while (used() + bytes > MAX_SPOOL_BYTES) {
      if (!this.logs.dropOldest() && !this.#dropLeft(({ stdout }) => stdout.keepBytes > 0)) {
        const line = `attach: the output that is kept in files may have ${Math.floor(MAX_SPOOL_BYTES)} bytes in all`;
        throw new AgentError("resource-exhausted", `${line}; end a process that has some, or set a smaller keep_bytes`);
      }
    }
  }

  /** Returns false if every place belongs to a process that runs or has a client. */
  #makeRoom(): boolean {
    const [unclaimed] = this.#unclaimed;
    if (unclaimed !== undefined) {
      this.#unclaimed.delete(unclaimed);
      this.#ledger.free(unclaimed);
      return true;
    }
    return this.logs.dropOldest() || this.#dropLeft(() => true);
  }

  /** Drops the oldest ended process without a client. Returns false if there is none of that kind. */
  #dropLeft(isOfKind: (process: ResumableProcess) => boolean): boolean {
    const left = [...this.#attached.values()].find((each) => each.isLeft && isOfKind(each));
    if (left !== undefined) this.release(left);
    return left !== undefined;
  }

  #free(place: number, launchId: number): void {
    const { kind } = this.#ledger.mode(place);
    for (const stream of STREAMS) this.#ledger.setCapacity(place, stream, 0);
    this.#ledger.free(place);
    if (kind === "hold") this.#pipes.drop(pipeName(launchId));
    else this.#spools.remove(place);
  }
}

function markWaited(process: ResumableProcess["process"]): void {
  if ("markWaited" in process && typeof process.markWaited === "function") process.markWaited();
}
