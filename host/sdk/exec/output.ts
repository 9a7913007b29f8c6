import { CollectedBytes } from "../../../lib/collected-bytes.ts";
import type { OutputName } from "../../client/streams/position.ts";

/** A piece of a process's output. */
export interface OutputPiece {
  readonly name: OutputName;
  readonly bytes: Buffer;
}

interface Held extends OutputPiece {
  /** Offset after its last byte. */
  readonly end: number;
  /** Acknowledges it. */
  release(): void;
  /** Ends its process's connection without acknowledging it. */
  refuse(error: Error): void;
}

/** An output is held until it is wanted; then it is collected, or taken piece by piece. */
type Way = "held" | "collected" | "taken";

const NAMES = ["stdout", "stderr"] as const;

/**
 * Output of a process on its way to whoever wants it. Each piece is acknowledged once it was taken, so a process whose
 * output nobody takes waits.
 */
export class Output {
  /** Offsets after the last bytes that were taken. */
  readonly position: Record<OutputName, number>;
  readonly #maxBytes: number;
  readonly #onOverflow: () => Error;
  readonly #ways: Record<OutputName, Way> = { stdout: "held", stderr: "held" };
  readonly #collected = { stdout: new CollectedBytes(), stderr: new CollectedBytes() };
  /** Pieces that loops are at. */
  readonly #current = new Set<Held>();
  #held: Held[] = [];
  #bytes = 0;
  #isOver = false;
  #isDropped = false;
  #error: Error | undefined;
  #changed = Promise.withResolvers<void>();

  /** `onOverflow` is called if more than `maxBytes` are to be collected, and returns the error that ends the output. */
  constructor(position: Readonly<Record<OutputName, number>>, maxBytes: number, onOverflow: () => Error) {
    this.position = { ...position };
    this.#maxBytes = maxBytes;
    this.#onOverflow = onOverflow;
  }

  /** Takes a piece from the process; resolves once it was taken on this side. */
  add(name: OutputName, bytes: Uint8Array, offset: number): Promise<void> {
    if (this.#isDropped) return Promise.resolve();
    if (this.#error !== undefined) return Promise.reject(this.#error);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#place({ name, bytes: Buffer.from(bytes), end: offset + bytes.length, release: resolve, refuse: reject });
    this.#notify();
    return promise;
  }

  /** The process has ended, after all its output. */
  end(): void {
    this.#isOver = true;
    this.#notify();
  }

  /** Makes readers fail. What they haven't taken is not acknowledged, so that another client can have it. */
  fail(error: Error): void {
    this.#error ??= error;
    this.end();
    for (const { refuse } of this.#held.splice(0)) refuse(error);
  }

  /** Makes readers fail, and drops what comes: the process ends sooner if its output is taken. */
  drop(error: Error): void {
    this.#isDropped = true;
    for (const { release } of [...this.#held.splice(0), ...this.#current]) release();
    this.fail(error);
  }

  /** Error that readers get. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** Collects the outputs that nobody takes. */
  collect(): void {
    for (const name of NAMES) if (this.#ways[name] === "held") this.#ways[name] = "collected";
    const held = this.#held;
    this.#held = [];
    for (const piece of held) this.#place(piece);
  }

  /** Returns what was collected. */
  collected(name: OutputName): Buffer {
    return this.#collected[name].copy();
  }

  isTaken(name: OutputName): boolean {
    return this.#ways[name] === "taken";
  }

  /** Names of the outputs that are not taken yet, which then are. */
  claim(names: readonly OutputName[] = NAMES): readonly OutputName[] {
    const free = names.filter((name) => this.#ways[name] !== "taken");
    for (const name of free) {
      this.#ways[name] = "taken";
      const bytes = this.#collected[name].take();
      if (bytes.length === 0) continue;
      const end = this.position[name];
      this.#held.unshift({ name, bytes, end, release: () => undefined, refuse: () => undefined });
      this.#bytes -= bytes.length;
    }
    return free;
  }

  /** Yields the pieces of claimed outputs to the end. A loop that is left can be continued with another. */
  async *pieces(names: readonly OutputName[]): AsyncGenerator<OutputPiece, void> {
    for (;;) {
      const at = this.#held.findIndex(({ name }) => names.includes(name));
      const [piece] = at < 0 ? [] : this.#held.splice(at, 1);
      if (piece !== undefined) {
        this.position[piece.name] = piece.end;
        this.#current.add(piece);
        try {
          yield piece;
        } finally {
          this.#current.delete(piece);
          piece.release();
        }
      } else if (this.#error !== undefined) throw this.#error;
      else if (this.#isOver) return;
      else await this.#changed.promise;
    }
  }

  #place(piece: Held): void {
    if (this.#ways[piece.name] !== "collected") {
      this.#held.push(piece);
      return;
    }
    this.#bytes += piece.bytes.length;
    if (this.#bytes > this.#maxBytes) this.drop(this.#onOverflow());
    else {
      this.#collected[piece.name].add(piece.bytes);
      this.position[piece.name] = piece.end;
    }
    piece.release();
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
