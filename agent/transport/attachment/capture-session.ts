import { codec } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { MAX_PAYLOAD_BYTES, STREAM, type StreamFrame } from "../../../proto/stream-frame.ts";
import { AgentError } from "../../kernel/error.ts";
import type { Capturing, OpenCapture } from "../../service/streams/capturing.ts";
import type { ConnectionKinds, Handler, Opening } from "./attachment-connection.ts";
import type { FrameStream } from "./frame-stream.ts";

const started = codec("guestd.v1.CaptureStarted", guestd.v1.CaptureStarted);
const namedInterface = codec("guestd.v1.CaptureInterface", guestd.v1.CaptureInterface);
const captureEnd = codec("guestd.v1.CaptureEnd", guestd.v1.CaptureEnd);

/** Packets on their way to a frame, which copies them at once. */
let scratch: Buffer | undefined;

/** Connections that capture packets; `load` returns the part of the agent that does, loaded at the first of them. */
export function captureKinds(load: () => Promise<Capturing>): ConnectionKinds {
  return {
    async capture({ frames, payload }: Opening): Promise<Handler | undefined> {
      const capturing = await load();
      if (frames.isClosed) return undefined;
      return new CaptureSession(frames, capturing.open(payload));
    },
  };
}

/** Sends the packets of a capture as fast as the client reads them. The kernel drops and counts those that find no room. */
class CaptureSession implements Handler {
  readonly #frames: FrameStream;
  readonly #open: OpenCapture;
  #packets = 0;
  #reason = "";

  constructor(frames: FrameStream, open: OpenCapture) {
    this.#frames = frames;
    this.#open = open;
    open.onContainerEnd((reason) => this.#stop(reason));
    frames.push("captureStarted", STREAM.process, 0, started.encode(open.started));
    this.#send().catch((error: unknown) => frames.fail(error));
  }

  take({ type, offset }: StreamFrame): void {
    if (type === "ping") this.#frames.push("pong", STREAM.process, offset);
    else if (type === "captureStop") this.#stop("");
    else if (type !== "pong") throw new AgentError("invalid-argument", `frame ${type}: the client is capturing`);
  }

  checkAgain(): void {
    this.#open.checkAgain();
  }

  close(): void {
    this.#open.close();
  }

  #stop(reason: string): void {
    if (this.#open.capture.isStopped) return;
    this.#reason = reason;
    this.#open.capture.stop();
  }

  async #send(): Promise<void> {
    const { capture } = this.#open;
    scratch ??= Buffer.allocUnsafeSlow(MAX_PAYLOAD_BYTES);
    for (;;) {
      await capture.wait();
      const { bytes, packets, interfaces, isGone } = capture.read(scratch);
      if (this.#open.started.version > 1) {
        for (const each of interfaces) {
          this.#frames.push("captureInterface", STREAM.process, 0, namedInterface.encode(each));
        }
      }
      if (bytes > 0) {
        const at = this.#packets;
        this.#packets += packets;
        await this.#frames.send("packets", STREAM.process, at, scratch.subarray(0, bytes));
      }
      if (isGone) this.#stop("the interface was removed or is down");
      else if (bytes === 0 && capture.isStopped) break;
    }
    const counts = { packets: this.#packets, dropped: capture.dropped, reason: this.#reason };
    this.#frames.push("captureEnd", STREAM.process, this.#packets, captureEnd.encode(counts));
    this.close();
    this.#frames.end();
  }
}
