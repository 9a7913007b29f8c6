import { AgentError } from "../../kernel/error.ts";
import type { StreamLedger } from "../../kernel/journal/stream-ledger.ts";
import { monotonicMs } from "../../kernel/monotonic-ms.ts";
import type { OutputStream } from "../process/output-stream.ts";
import type { Process } from "../process/process.ts";
import { GivenOutput } from "./given-output.ts";
import type { ResumableParts } from "./resumable-output.ts";
import { endedProcess, ResumableProcess } from "./resumable-process.ts";
import type { SpooledOutput } from "./spooled-output.ts";
import type { Spools } from "./spools.ts";

/** How long a log stays after its container's removal. */
const REMAINS_MS = 600_000;
/** Most logs of removed containers. */
const MAX_REMAINS = 32;

interface LogTools {
  partsOf(place: number): ResumableParts;
  output(parts: ResumableParts, stream: 0 | 1, source: OutputStream | undefined): SpooledOutput;
  free(place: number, launchId: number): void;
}

interface Remains {
  readonly container: string;
  readonly attached: ResumableProcess;
  readonly timer: NodeJS.Timeout;
}

/** Logs of containers: those that calls take over, and those that outlive their containers. */
export class KeptLogs {
  readonly #ledger: StreamLedger;
  readonly #spools: Spools;
  readonly #tools: LogTools;
  /** Logs of removed containers, the oldest first. */
  readonly #remains: Remains[] = [];

  constructor(ledger: StreamLedger, spools: Spools, tools: LogTools) {
    this.#ledger = ledger;
    this.#spools = spools;
    this.#tools = tools;
  }

  /** Returns the log of a removed container, the last one if several had the id. */
  find(container: string): ResumableProcess | undefined {
    return this.#remains.findLast((each) => each.container === container)?.attached;
  }

  /** Keeps the log of a container that is being removed. Returns false if there is nothing to keep. */
  keep(container: string, attached: ResumableProcess): boolean {
    const { process, place, outputs } = attached;
    const { terminal, status } = process;
    if (status === undefined || outputs.every(({ end }) => end === 0)) return false;
    const removedAt = monotonicMs();
    this.#ledger.setMode(place, { ...attached.mode, isHeld: false, keeper: "remains" });
    try {
      this.#spools.writeEnd(place, { container, terminal, status, removedAt });
    } catch {
      return false; // no memory
    }
    attached.owner?.removed();
    for (const output of outputs) void (output as SpooledOutput).stop();
    this.#add(container, attached, REMAINS_MS);
    return true;
  }

  /** Restores the log of a removed container; returns false if its end wasn't noted. */
  restore(place: number): boolean {
    const end = this.#spools.readEnd(place);
    if (end === undefined) return false;
    const parts = this.#tools.partsOf(place);
    const process = endedProcess(this.#ledger.process(place) ?? 0, end.terminal, end.status);
    const output = (stream: 0 | 1) => this.#tools.output(parts, stream, undefined);
    const left = Math.min(Math.max(end.removedAt + REMAINS_MS - monotonicMs(), 0), REMAINS_MS);
    this.#add(end.container, new ResumableProcess(parts, process, output), left);
    return true;
  }

  /** Drops the oldest log of a removed container; returns false if there is none. */
  dropOldest(): boolean {
    const [oldest] = this.#remains;
    if (oldest !== undefined) this.#drop(oldest);
    return oldest !== undefined;
  }

  /** Gives a container's output to the calls that read it, the log first. The log ends; `attached` kept it, if it was open. */
  give(parts: ResumableParts, process: Process, attached?: ResumableProcess): void {
    const { place } = parts;
    this.#ledger.setMode(place, { ...this.#ledger.mode(place), isHeld: false, keeper: "given" });
    attached?.close();
    const names = process.terminal ? (["stdout"] as const) : (["stdout", "stderr"] as const);
    let left: number = names.length;
    const onClosed = () => {
      if (--left === 0) this.#spools.remove(place);
    };
    for (const [index, name] of names.entries()) {
      const stream = index === 0 ? 0 : 1;
      const output = process.output(name);
      output.precede(new GivenOutput(parts, stream, this.#spools.openFile(place, stream), onClosed));
      if (index === 0) output.onRemoved = () => this.#tools.free(place, process.launchId);
    }
  }

  #add(container: string, attached: ResumableProcess, ms: number): void {
    const timer = setTimeout(() => this.#drop(remains), ms).unref();
    const remains = { container, attached, timer };
    this.#remains.push(remains);
    if (this.#remains.length > MAX_REMAINS) this.dropOldest();
  }

  #drop(remains: Remains): void {
    const { attached, timer } = remains;
    clearTimeout(timer);
    this.#remains.splice(this.#remains.indexOf(remains), 1);
    attached.endAll(new AgentError("not-found", "logs: the container was removed, and its log is no longer kept"));
    attached.close();
    this.#tools.free(attached.place, attached.process.launchId);
  }
}
