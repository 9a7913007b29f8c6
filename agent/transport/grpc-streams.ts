import type { Connection } from "./connection.ts";

/** Most streams at once. Each costs up to 12 KiB of V8's heap, which has 64 MiB, until its response is sent. */
const MAX_STREAMS = 2048;

type Owner = Pick<Connection, "destroy">;

/**
 * The open HTTP/2 streams of all gRPC connections. HTTP/2 limits those of one connection only, and a client that reads no
 * responses keeps them open: beyond the limit, the connection with the most streams is closed.
 */
export class GrpcStreams {
  readonly #max: number;
  readonly #counts = new Map<Owner, number>();
  #total = 0;

  constructor(max = MAX_STREAMS) {
    this.#max = max;
  }

  /** Counts a stream until it closes. */
  add(owner: Owner, stream: { once(event: "close", listener: () => void): unknown }): void {
    this.#counts.set(owner, (this.#counts.get(owner) ?? 0) + 1);
    this.#total++;
    stream.once("close", () => this.#remove(owner));
    if (this.#total > this.#max) this.#closeLargest();
  }

  #remove(owner: Owner): void {
    const count = this.#counts.get(owner);
    if (count === undefined) return; // all of its streams were removed when it was closed
    this.#total--;
    if (count > 1) this.#counts.set(owner, count - 1);
    else this.#counts.delete(owner);
  }

  #closeLargest(): void {
    const [first, ...others] = this.#counts;
    if (first === undefined) return;
    const [owner, count] = others.reduce((most, it) => (it[1] > most[1] ? it : most), first);
    this.#counts.delete(owner);
    this.#total -= count;
    owner.destroy();
  }
}
