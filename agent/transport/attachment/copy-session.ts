import { ChunkChannel } from "../../../lib/archive/chunk-channel.ts";
import { COPY_WINDOW_BYTES, inPieces, SendWindow } from "../../../lib/archive/send-window.ts";
import { codec } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { STREAM, STREAM_HEADER_BYTES, type StreamFrame } from "../../../proto/stream-frame.ts";
import { AgentError } from "../../kernel/error.ts";
import type { Attaching } from "../../service/streams/attach.ts";
import { Copying } from "../../service/streams/copying.ts";
import type { Opening } from "./attachment-connection.ts";
import type { FrameStream } from "./frame-stream.ts";

const ready = codec("guestd.v1.CopyReady", guestd.v1.CopyReady);
const end = codec("guestd.v1.CopyEnd", guestd.v1.CopyEnd);

type Copy = Awaited<ReturnType<Copying["open"]>>;

/** The copies of an agent. */
const copyings = new WeakMap<Attaching, Copying>();

/** Begins a copy, whose connection has sent its first frame. Rejects with AgentError. */
export async function beginCopy({ frames, attaching, payload }: Opening): Promise<CopySession> {
  const copying = copyings.get(attaching) ?? new Copying(attaching.agent, () => attaching.epoch);
  copyings.set(attaching, copying);
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  try {
    const copy = await copying.open(payload, () => {
      frames.destroy();
      return closed;
    });
    return new CopySession(frames, copy, resolve);
  } catch (error) {
    resolve();
    throw error;
  }
}

/** A connection that copies: sends the archive as the client acknowledges it, or extracts what the client sends. */
class CopySession {
  readonly #frames: FrameStream;
  readonly #copy: Copy;
  readonly #window = new SendWindow();
  readonly #channel = new ChunkChannel();
  #received = 0;
  #taken = 0;
  #isComplete = false;

  constructor(frames: FrameStream, copy: Copy, onClosed: () => void) {
    this.#frames = frames;
    this.#copy = copy;
    void this.#run().finally(onClosed);
  }

  /** Takes a frame of the client; a returned promise resolves when there is room for the next. */
  take({ type, offset, payload }: StreamFrame): void | Promise<void> {
    switch (type) {
      case "copyData":
        return this.#takeData(offset, payload);
      case "copyAck":
        if (this.#window.acknowledge(offset)) return;
        throw new AgentError(
          "invalid-argument",
          `acknowledge byte ${offset}: only ${this.#window.sent} bytes were sent`,
        );
      case "copyEnd":
        this.#checkOffset(offset);
        return this.#channel.end();
      case "ping":
        return void this.#frames.push("pong", STREAM.process, offset);
      case "pong":
        return;
      default:
        throw new AgentError("invalid-argument", `frame ${type}: the client is copying`);
    }
  }

  checkAgain(): void {
    this.#copy.checkAgain();
  }

  /** Ends the copy. Idempotent. */
  close(): void {
    this.#channel.fail(new Error("the connection is closed"));
  }

  async #run(): Promise<void> {
    const { signal } = this.#frames;
    let isEnded = false;
    try {
      signal.throwIfAborted();
      this.#frames.push("copyReady", STREAM.process, 0, ready.encode(this.#copy.ready));
      if ("archive" in this.#copy) await this.#send(this.#copy.archive());
      else await this.#extract(this.#copy.extract);
      isEnded = true;
      this.#isComplete = true;
    } catch (error) {
      isEnded = error instanceof AgentError;
      this.#frames.fail(error);
    } finally {
      await this.#copy.close(isEnded);
    }
    if (this.#isComplete && "extract" in this.#copy) this.#frames.end();
  }

  async #send(archive: AsyncIterable<Buffer>): Promise<void> {
    for await (const frame of inPieces(archive, STREAM_HEADER_BYTES)) {
      const length = frame.length - STREAM_HEADER_BYTES;
      await this.#window.room(length, this.#frames.signal);
      const at = this.#window.sent;
      this.#window.sent += length;
      await this.#frames.sendCopy("copyData", STREAM.process, at, frame);
    }
    const notes = this.#copy.notes();
    await this.#frames.send("copyEnd", STREAM.process, this.#window.sent, end.encode({ version: 1, notes }));
  }

  async #extract(extract: Extract<Copy, { extract: unknown }>["extract"]): Promise<void> {
    await extract(this.#channel, (position) => {
      // A member's last block may not be whole yet.
      this.#taken = Math.min(position, this.#received);
      this.#frames.push("copyAck", STREAM.process, this.#taken);
    });
    const notes = this.#copy.notes();
    this.#frames.push("copyEnd", STREAM.process, this.#received, end.encode({ version: 1, notes }));
  }

  #takeData(offset: number, payload: Uint8Array): Promise<void> {
    if ("archive" in this.#copy)
      throw new AgentError("invalid-argument", "frame copyData: the agent sends the archive");
    this.#checkOffset(offset);
    this.#received += payload.length;
    if (this.#received - this.#taken > COPY_WINDOW_BYTES + payload.length) {
      const line = `archive at ${offset}: over ${COPY_WINDOW_BYTES} bytes are not acknowledged`;
      throw new AgentError("resource-exhausted", line);
    }
    return this.#channel.push(payload);
  }

  #checkOffset(offset: number): void {
    if (offset === this.#received) return;
    throw new AgentError("invalid-argument", `archive at ${offset}: the next byte is ${this.#received}`);
  }
}
