import { Duplex } from "node:stream";

/** One side of a relayed connection, as the socket of an HTTP/2 session. */
export class SessionSocket extends Duplex {
  readonly #send: (bytes: Buffer) => Promise<void>;
  #wanted = Promise.withResolvers<void>();

  constructor(send: (bytes: Buffer) => Promise<void>) {
    super();
    this.#send = send;
    this.once("close", () => this.#wanted.resolve());
  }

  /** Gives the session what has arrived. Resolves when it reads further. */
  async receive(chunk: Buffer): Promise<void> {
    if (this.destroyed || this.push(chunk)) return;
    await this.#wanted.promise;
  }

  /** Resolves when all that the session has written is sent. */
  flush(): Promise<void> {
    return new Promise((resolve) => {
      if (this.destroyed) resolve();
      else this.write(Buffer.alloc(0), () => resolve());
    });
  }

  override _read(): void {
    this.#wanted.resolve();
    if (!this.destroyed) this.#wanted = Promise.withResolvers();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#send(chunk).then(() => done(), done);
  }

  /** A session that ends its side reads no more. */
  override _final(done: () => void): void {
    this.push(null);
    done();
  }
}
