import { INPUT_FRAME, INPUT_WINDOW } from "../../serve/protocol/terminal.ts";

/** Input that waits to be sent: the server takes a limited amount that the process has not read. */
export class TerminalInput {
  readonly #send: (bytes: Uint8Array) => void;
  #waiting: Uint8Array[] = [];
  /** Bytes since the channel was opened. */
  #sent = 0;
  #taken = 0;

  constructor(send: (bytes: Uint8Array) => void) {
    this.#send = send;
  }

  /** Bytes that were sent but that the process may not have got. */
  get inTransit(): number {
    return this.#sent - this.#taken;
  }

  /** Bytes that wait here. */
  get waiting(): number {
    return this.#waiting.reduce((sum, { length }) => sum + length, 0);
  }

  add(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#waiting.push(bytes);
  }

  /** Notes how many bytes the process has got since the channel was opened. */
  taken(bytes: number): void {
    this.#taken = bytes;
  }

  /** Begins to count again, for a new channel. What waits here is kept. */
  restart(): void {
    this.#sent = this.#taken = 0;
  }

  /** Forgets what waits here. */
  clear(): void {
    this.#waiting = [];
  }

  /** Sends as much as the window allows. */
  pump(): void {
    for (;;) {
      const [next] = this.#waiting;
      const room = Math.min(INPUT_FRAME, INPUT_WINDOW - this.inTransit);
      if (next === undefined || room <= 0) return;
      const part = next.subarray(0, room);
      if (part.length === next.length) this.#waiting.shift();
      else this.#waiting[0] = next.subarray(part.length);
      this.#sent += part.length;
      this.#send(part);
    }
  }
}
