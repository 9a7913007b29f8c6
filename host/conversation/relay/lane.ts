/** Frames that may wait for their delay, in bytes; further frames of the direction then wait to be read. */
export const MAX_DELAYED_BYTES = 16 << 20;

/** Sends frames in one direction of a connection, some of them later. Never interleaves their bytes. */
export class Lane {
  readonly #write: (bytes: Buffer) => Promise<void>;
  readonly #timers = new Map<NodeJS.Timeout, () => void>();
  /** Frames that became due between two pieces of another one. */
  #waiting: Buffer[] = [];
  #inPieces = false;
  #delayedBytes = 0;
  #changed = Promise.withResolvers<void>();

  constructor(write: (bytes: Buffer) => Promise<void>) {
    this.#write = write;
  }

  /** Sends a whole frame. Resolves when there is room for more. */
  async frame(frame: Buffer): Promise<void> {
    if (this.#inPieces) this.#waiting.push(frame);
    else await this.#write(frame);
  }

  async piece(bytes: Buffer, last: boolean): Promise<void> {
    this.#inPieces = !last;
    await this.#write(bytes);
    if (!last) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const frame of waiting) await this.#write(frame);
  }

  /** Sends a frame later; others overtake it. Resolves when further frames may be delayed. */
  async later(frame: Buffer, ms: number): Promise<void> {
    this.#delayedBytes += frame.length;
    const done = () => {
      this.#delayedBytes -= frame.length;
      this.#timers.delete(timer);
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    };
    const timer = setTimeout(() => {
      void this.frame(frame).then(done);
    }, ms);
    this.#timers.set(timer, done);
    while (this.#delayedBytes > MAX_DELAYED_BYTES) await this.#changed.promise;
  }

  /** Resolves when all delayed frames are sent. */
  async idle(): Promise<void> {
    while (this.#timers.size > 0) await this.#changed.promise;
  }

  /** Drops the frames that are delayed. */
  drop(): void {
    for (const [timer, done] of [...this.#timers]) {
      clearTimeout(timer);
      done();
    }
  }
}
