import { Duplex } from "node:stream";
import { encodeStreamFrame, StreamFrameParser } from "../../../proto/stream-frame.ts";
import { DialError } from "../dial.ts";

type Done = (error?: Error | null) => void;

/** Opens a WebSocket to a relay (relay-messages.ts) as a stream of frames. Rejects with DialError. */
export function openWebSocketFrames(url: string, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    const fail = () => {
      socket.close();
      reject(new DialError(`dial ${url}: ${signal.aborted ? "no answer in time" : "the WebSocket was refused"}`));
    };
    signal.addEventListener("abort", fail, { once: true });
    socket.addEventListener("error", fail, { once: true });
    socket.addEventListener(
      "open",
      () => {
        signal.removeEventListener("abort", fail);
        socket.removeEventListener("error", fail);
        resolve(new WebSocketFrames(socket));
      },
      { once: true },
    );
  });
}

/** Sends each frame as one binary message. */
class WebSocketFrames extends Duplex {
  readonly #socket: WebSocket;
  readonly #parser = new StreamFrameParser("client");

  constructor(socket: WebSocket) {
    super();
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    // The agent sends no more than the window of each output before this side acknowledges, so nothing piles up here.
    socket.addEventListener("message", ({ data }: { data: ArrayBuffer }) => this.push(Buffer.from(data)));
    socket.addEventListener("error", () => this.destroy(new Error("the WebSocket broke")));
    socket.addEventListener("close", ({ code, reason }: { code: number; reason: string }) => {
      if (code === 1000) this.push(null);
      else this.destroy(new Error(`the WebSocket was closed: ${code}${reason === "" ? "" : `, ${reason}`}`));
    });
  }

  override _read(): void {
    // A WebSocket can't be held back.
  }

  override _write(chunk: Buffer, _encoding: string, done: Done): void {
    try {
      for (const { type, stream, offset, payload } of this.#parser.push(chunk)) {
        this.#socket.send(encodeStreamFrame(type, stream, offset, payload));
      }
      done();
    } catch (error) {
      done(error as Error);
    }
  }

  override _final(done: Done): void {
    this.#socket.close(1000);
    done();
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#socket.close();
    done(error);
  }
}
