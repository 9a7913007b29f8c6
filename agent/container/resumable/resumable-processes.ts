import { AgentError } from "../../kernel/error.ts";
import { KEY_BYTES, MAX_LEDGER_ENTRIES, type StreamLedger } from "../../kernel/journal/stream-ledger.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Process } from "../process/process.ts";
import { ByteMover } from "./byte-mover.ts";
import { KeptPipes } from "./kept-pipes.ts";
import { ResumableProcess } from "./resumable-process.ts";

/** Name of a terminal's kept pipe, by launch id. */
const pipeName = (process: number) => `${process}:0`;

/** The processes that clients attach to, by launch id. All of it is in the ledger and in init, for the next agent. */
export class ResumableProcesses {
  readonly epoch: Uint8Array;
  readonly #sys: Kernel["sys"];
  readonly #pipes: KeptPipes;
  readonly #ledger: StreamLedger;
  readonly #mover: ByteMover;
  readonly #attached = new Map<number, ResumableProcess>();
  /** Places of starts that the previous agent didn't complete, and of which no client has asked since. */
  readonly #unclaimed = new Set<number>();

  /** Restores the previous agent's; `processes` are all that still exist. */
  constructor(kernel: Pick<Kernel, "sys" | "init">, ledger: StreamLedger, processes: readonly Process[]) {
    this.#sys = kernel.sys;
    this.#pipes = new KeptPipes(kernel);
    this.#ledger = ledger;
    this.epoch = ledger.epoch;
    this.#mover = new ByteMover(kernel.sys, this.#pipes, ledger);
    const byLaunch = new Map(processes.map((process) => [process.launchId, process]));
    for (const place of ledger.places) {
      const launchId = ledger.process(place);
      const process = launchId === undefined ? undefined : byLaunch.get(launchId);
      // The process may have started: its client will ask for it by its key.
      if (launchId === undefined) this.#unclaimed.add(place);
      else if (process === undefined) this.#free(place, launchId);
      else this.#restore(place, process);
    }
    this.#pipes.dropOthers();
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
   * client has claimed, or else the oldest ended process without a client.
   */
  prepare(key: Uint8Array = new Uint8Array(KEY_BYTES)): number {
    const place = this.claim(key) ?? this.#ledger.take(key) ?? (this.#makeRoom() ? this.#ledger.take(key) : undefined);
    if (place !== undefined) return place;
    const line = `attach: ${MAX_LEDGER_ENTRIES} processes are attached to, or keep output for their clients`;
    throw new AgentError("resource-exhausted", `${line}; end one`);
  }

  cancel(place: number): void {
    this.#ledger.free(place);
  }

  /** Keeps the stdio of a process for clients from now on. Throws, and frees the place, if calls read its output. */
  add(place: number, process: Process): ResumableProcess {
    this.#ledger.setProcess(place, process.launchId);
    try {
      return this.#attach(place, process);
    } catch (error) {
      this.#free(place, process.launchId);
      throw error;
    }
  }

  /** Ends the keeping: a client has acknowledged the end of the process, or the process was removed. */
  release(attached: ResumableProcess): void {
    const { process, place } = attached;
    if (this.#attached.get(process.launchId) !== attached) return;
    this.#attached.delete(process.launchId);
    attached.finish();
    attached.close();
    process.markWaited();
    this.#free(place, process.launchId);
  }

  #restore(place: number, process: Process): void {
    try {
      this.#attach(place, process);
    } catch {
      this.#free(place, process.launchId); // such as of a process whose stdio was removed meanwhile
    }
  }

  #attach(place: number, process: Process): ResumableProcess {
    const parts = { sys: this.#sys, ledger: this.#ledger, mover: this.#mover, place };
    const openKept = () => this.#pipes.open(pipeName(process.launchId));
    const removed = () => {
      this.#attached.delete(process.launchId);
      attached.close();
      this.#free(place, process.launchId);
    };
    const attached = new ResumableProcess(parts, process, openKept, removed);
    this.#attached.set(process.launchId, attached);
    return attached;
  }

  /** Returns false if every place belongs to a process that runs or has a client. */
  #makeRoom(): boolean {
    const [unclaimed] = this.#unclaimed;
    const left = [...this.#attached.values()].find(({ isLeft }) => isLeft);
    if (unclaimed !== undefined) {
      this.#unclaimed.delete(unclaimed);
      this.#ledger.free(unclaimed);
    } else if (left !== undefined) this.release(left);
    return unclaimed !== undefined || left !== undefined;
  }

  #free(place: number, launchId: number): void {
    this.#ledger.free(place);
    this.#pipes.drop(pipeName(launchId));
  }
}
