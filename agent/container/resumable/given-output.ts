import type { EarlierOutput } from "../process/output-owner.ts";
import type { ResumableParts } from "./resumable-output.ts";
import type { SpoolFile } from "./spool-file.ts";

/** Output of a log that calls take over: from the first byte that they haven't read to the last one that was taken. */
export class GivenOutput implements EarlierOutput {
  position: number;
  readonly end: number;
  readonly #parts: ResumableParts;
  readonly #stream: 0 | 1;
  readonly #file: SpoolFile;
  readonly #onClosed: () => void;

  /** Owns the file. `onClosed` is called once calls have read it. */
  constructor(parts: ResumableParts, stream: 0 | 1, file: SpoolFile, onClosed: () => void) {
    this.#onClosed = onClosed;
    const { ledger, place } = parts;
    this.#parts = parts;
    this.#stream = stream;
    this.#file = file;
    this.end = ledger.end(place, stream);
    this.position = Math.max(ledger.acked(place, stream), ledger.base(place, stream));
  }

  read(into: Uint8Array): number {
    const { ledger, place } = this.#parts;
    const capacity = ledger.capacity(place, this.#stream);
    for (let read = 0; read < into.length; ) {
      const bytes = this.#file.read((this.position + read) % capacity, into.length - read);
      into.set(bytes, read);
      read += bytes.length;
    }
    this.position += into.length;
    ledger.setAcked(place, this.#stream, this.position);
    return into.length;
  }

  close(): void {
    this.#file.close();
    this.#onClosed();
  }
}
