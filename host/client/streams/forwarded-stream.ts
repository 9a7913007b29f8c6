import { Duplex } from "node:stream";
import { encodeStreamFrame, STREAM, StreamFrameParser } from "../../../proto/stream-frame.ts";
import { throwIfError } from "../edge/failure.ts";
import { cut } from "./forward-frames.ts";

/** How long a lost connection waits for the agent's reason. */
const REASON_MS = 100;

type Done = (error?: Error | null) => void;

/**
 * A forwarded connection as a stream whose sides end independently. Ends only where its source ended: each source announces how
 * many bytes it has sent, and a connection that breaks before is destroyed with an RpcError.
 */
export class ForwardedStream extends Duplex {
  readonly #upload: Duplex;
  readonly #download: Duplex;
  #sent = 0;
  #received = 0;
  /** Bytes that the agent has announced. */
  #total: number | undefined;
  /** True once all of them have arrived. */
  #isEnded = false;
  /** True while the reader takes more. */
  #isWanted = false;

  /** Owns both connections, whose first frames are answered. */
  constructor(upload: Duplex, download: Duplex) {
    super({ allowHalfOpen: true });
    this.#upload = upload;
    this.#download = download;
    const parser = new StreamFrameParser("agent");
    upload.on("data", (chunk: Buffer) => {
      this.#try(() => {
        for (const frame of parser.push(chunk)) this.#take(frame);
      });
    });
    download.on("readable", () => this.#receive());
    for (const event of ["end", "close"] as const) {
      upload.once(event, () => this.#lostUpload());
      // The reason may still arrive over the other connection.
      download.once(event, () => setTimeout(() => this.#lostDownload(), REASON_MS));
    }
  }

  override _read(): void {
    this.#isWanted = true;
    this.#receive();
  }

  /** Passes on what has arrived, as far as the reader wants it: the rest waits in the connection, and holds the target back. */
  #receive(): void {
    while (this.#isWanted) {
      const chunk = this.#download.read() as Buffer | null;
      if (chunk === null) break;
      this.#received += chunk.length;
      this.#isWanted = this.push(chunk);
    }
    this.#checkEnd();
  }

  override _write(chunk: Buffer, _encoding: string, done: Done): void {
    this.#sent += chunk.length;
    this.#upload.write(chunk, (error) => done(error && this.#lost(error)));
  }

  override _final(done: Done): void {
    const frame = encodeStreamFrame("forwardEnd", STREAM.process, this.#sent);
    this.#download.write(frame, (error) => done(error && this.#lost(error)));
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#upload.destroy();
    this.#download.destroy();
    done(error);
  }

  #take(frame: ReturnType<StreamFrameParser["push"]>[number]): void {
    throwIfError(frame);
    if (frame.type === "forwardEnd") this.#total = frame.offset;
    this.#checkEnd();
  }

  /** Ends the readable side once every announced byte has arrived. */
  #checkEnd(): boolean {
    if (this.#total === undefined || this.#received < this.#total) return false;
    if (this.#received > this.#total) this.destroy(cut(`byte ${this.#received} arrived, over ${this.#total}`));
    else if (!this.#isEnded) this.push(null);
    this.#isEnded = true;
    return true;
  }

  #lostUpload(): void {
    if (!this.writableFinished || (this.#total === undefined && !this.#isEnded)) this.#cut();
  }

  #lostDownload(): void {
    if (!this.#isEnded || !this.writableFinished) this.#cut();
  }

  #cut(): void {
    this.destroy(this.#lost());
  }

  #lost(cause?: Error): Error {
    return cut(`the connection was lost after ${this.#received} bytes`, cause);
  }

  #try(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.destroy(error as Error);
    }
  }
}
