import { openSync, writeSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import type { FuzzTarget } from "../target.ts";
import { Coverage, comparedPair, touched } from "./coverage.ts";
import type { Job, Outcome } from "./job.ts";
import { limitAllocations } from "./limit-allocations.ts";
import { Mutator, randomOf } from "./mutate.ts";

interface SearchParts extends Omit<Job, "kept"> {
  readonly kept: readonly Buffer[];
  finish(outcome: Outcome): void;
}

/**
 * Limit of CPU time for one input, in ms. The agent must answer any input within 1 s, and counting doubles the time.
 */
const MOST_CPU_MS = 500;
const MAX_LENGTH = 4096;
/** Limit for all kept inputs of a target together, in bytes. */
const MOST_KEPT_BYTES = 32 << 10;
/** Interval at which the search yields to the event loop, in ms. */
const TURN_MS = 20;

/** Tries inputs until the time is up or one breaks the promise. Returns the inputs that reached something new. */
export async function search(target: FuzzTarget, parts: SearchParts): Promise<{ outcome: Outcome; corpus: Buffer[] }> {
  const runner = new Runner(target, parts);
  const { maxLength = MAX_LENGTH, words = [] } = target;
  const random = randomOf(parts.seed);
  const corpus: Kept[] = [];
  const keep = (bytes: Buffer) => corpus.push({ bytes, picks: 0 });
  const seeds = target.seeds().map((seed) => Buffer.from(seed as Uint8Array));
  const begin = [...parts.kept, ...seeds, Buffer.alloc(0)];
  for (const bytes of begin) if (await runner.isNew(bytes)) keep(bytes);
  const inputs = begin.length;
  const any = () => corpus[Math.floor(random() * corpus.length)] ?? { bytes: Buffer.alloc(0), picks: 0 };
  const pick = () => {
    const [first, second] = [any(), any()];
    const chosen = cost(first) <= cost(second) ? first : second;
    chosen.picks++;
    return chosen.bytes;
  };
  const mutator = new Mutator({
    random,
    maxLength,
    words: words.map((word) => Buffer.from(word)),
    other: () => any().bytes,
    compared: () => comparedPair(random),
  });
  const end = performance.now() + parts.seconds * 1000;
  while (!runner.isOver && performance.now() < end) {
    const bytes = mutator.mutate(pick());
    if (await runner.isNew(bytes)) keep(bytes);
  }
  const outcome = runner.outcome(inputs);
  const found = corpus.map(({ bytes }) => bytes);
  return { outcome, corpus: parts.grow ? await smallest(runner, found) : [] };
}

interface Kept {
  readonly bytes: Buffer;
  /** Number of times that new inputs were made from it. */
  picks: number;
}

/**
 * Ranks inputs for the next mutation. Short and rarely chosen ones come first, since they run quickly and reach
 * something new.
 */
const cost = ({ bytes, picks }: Kept): number => (picks + 1) * (bytes.length + 64);

/** Returns a few short inputs that together reach nearly every branch, chosen by new branches for each byte. */
async function smallest(runner: Runner, inputs: readonly Buffer[]): Promise<Buffer[]> {
  const left: { readonly bytes: Buffer; ids: readonly number[] }[] = [];
  for (const bytes of inputs) {
    await runner.isNew(bytes);
    left.push({ bytes, ids: touched() });
  }
  const reached = new Set<number>();
  const chosen: Buffer[] = [];
  let size = 0;
  const worth = ({ bytes, ids }: (typeof left)[number]) => ids.length / (bytes.length + 64);
  while (size < MOST_KEPT_BYTES) {
    for (const one of left) one.ids = one.ids.filter((id) => !reached.has(id));
    const best = left.reduce((a, b) => (worth(b) > worth(a) ? b : a), left[0] ?? { bytes: Buffer.alloc(0), ids: [] });
    if (best.ids.length === 0) break;
    for (const id of best.ids) reached.add(id);
    chosen.push(best.bytes);
    size += best.bytes.length;
  }
  return chosen;
}

/** Runs a target, with limits on its time and a check for stray rejections. */
class Runner {
  executions = 0;
  readonly #target: FuzzTarget;
  readonly #coverage = new Coverage();
  readonly #current: number;
  readonly #finish: (outcome: Outcome) => void;
  readonly #head = Buffer.alloc(12);
  #input: Buffer = Buffer.alloc(0);
  #finding: Outcome["finding"];
  #nextTurn = 0;
  #done = false;

  constructor(target: FuzzTarget, { current, finish }: SearchParts) {
    this.#target = target;
    this.#current = openSync(current, "w");
    this.#finish = finish;
    limitAllocations();
    const outside = (error: unknown) => this.#found(error, "outside the call");
    process.on("uncaughtException", outside).on("unhandledRejection", outside);
    process.on("exit", () => {
      if (!this.#done) this.#found(new Error("the call never settled"), "");
    });
  }

  get isOver(): boolean {
    return this.#finding !== undefined;
  }

  outcome(inputs: number): Outcome {
    this.#done = true;
    const { executions } = this;
    const reached = this.#coverage.reached();
    return { executions, inputs, reached, finding: this.#finding };
  }

  /** Runs an input. True if it reached something new. */
  async isNew(bytes: Buffer): Promise<boolean> {
    if (this.isOver) return false;
    this.executions++;
    this.#note(bytes);
    this.#coverage.reset();
    const ms = await this.#timed(bytes);
    const isNew = this.#coverage.add();
    // The fastest of three runs counts, because the first may include compilation or garbage collection.
    if (ms > MOST_CPU_MS && Math.min(await this.#timed(bytes), await this.#timed(bytes)) > MOST_CPU_MS)
      this.#found(new Error(`promise broken: ${bytes.length} bytes took ${Math.round(ms)} ms of CPU time`), "");
    if (performance.now() > this.#nextTurn) {
      await setImmediate();
      this.#nextTurn = performance.now() + TURN_MS;
    }
    return isNew;
  }

  /** Runs the target once. Returns its CPU time in ms; 0 if it was short. */
  async #timed(bytes: Buffer): Promise<number> {
    const [before, cpu] = [performance.now(), process.cpuUsage()];
    try {
      const result = this.#target.run(Buffer.from(bytes));
      if (result !== undefined) await result;
    } catch (error) {
      this.#found(error, "");
    }
    if (performance.now() - before <= MOST_CPU_MS) return 0;
    const { user, system } = process.cpuUsage(cpu);
    return (user + system) / 1000;
  }

  /** Notes the current input in a file, for the parent, in case this process dies. */
  #note(bytes: Buffer): void {
    this.#input = bytes;
    this.#head.writeDoubleLE(this.executions, 0);
    this.#head.writeUInt32LE(bytes.length, 8);
    writeSync(this.#current, Buffer.concat([this.#head, bytes]), 0, undefined, 0);
  }

  #found(error: unknown, where: string): void {
    if (this.#finding !== undefined) return;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#finding = { error: where === "" ? text : `${where}: ${text}`, input: this.#input.toString("base64") };
    if (where !== "" || text.includes("never settled")) this.#finish(this.outcome(0));
  }
}
