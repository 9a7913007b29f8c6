import type { Socket } from "node:net";
import { CollectedBytes } from "../../../lib/collected-bytes.ts";

/**
 * Writes a guest's bytes to a client, one write at a time; what arrives meanwhile waits in one buffer. A frame may have a single
 * byte, and a pending write would keep the whole chunk in memory that the byte arrived in.
 */
export class ClientWriter {
  readonly #client: Socket;
  readonly #onTaken: (bytes: number) => void;
  readonly #waiting = new CollectedBytes();
  #isWriting = false;
  #last: "end" | "close" | undefined;

  /** `onTaken` is called once the client has taken bytes. */
  constructor(client: Socket, onTaken: (bytes: number) => void) {
    this.#client = client;
    this.#onTaken = onTaken;
  }

  write(bytes: Buffer): void {
    if (this.#client.destroyed) return;
    if (this.#isWriting) this.#waiting.add(bytes);
    else this.#begin(bytes);
  }

  /** Ends this direction, or the connection, after the last byte. */
  finish(how: "end" | "close"): void {
    this.#last = how;
    if (!this.#isWriting) this.#finish();
  }

  #begin(bytes: Buffer): void {
    this.#isWriting = true;
    this.#client.write(bytes, (error) => {
      this.#isWriting = false;
      if (error !== undefined && error !== null) return;
      this.#onTaken(bytes.length);
      if (this.#waiting.length > 0) this.#begin(this.#waiting.take());
      else this.#finish();
    });
  }

  #finish(): void {
    if (this.#last === "close") this.#client.destroySoon();
    else if (this.#last === "end") this.#client.end();
  }
}
