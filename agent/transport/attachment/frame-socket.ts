import { MAX_PAYLOAD_BYTES, STREAM_HEADER_BYTES, writeStreamHeader } from "../../../proto/stream-frame.ts";
import { AgentError } from "../../kernel/error.ts";
import type { Fd } from "../../kernel/kernel.ts";
import { nextBatch } from "../next-batch.ts";
import type { WireSys } from "../wire.ts";
import type { CarrierReader, FrameCarrier, Output } from "./frame-carrier.ts";

/** Bytes that wait to be sent from which on a socket counts as full. */
const FULL_BYTES = 65_536;
/** Output of fewer bytes is copied, and sent together with other frames. */
const SPLICED_BYTES = 4096;
/** Most output of one spliced frame: the most that a frame may have, so that a window is three frames. */
const MAX_SPLICED = MAX_PAYLOAD_BYTES;
/** Most output of one copied frame. With its header it is one write of 32 KiB, the most that every vsock device takes. */
const MAX_COPIED = 32_768 - STREAM_HEADER_BYTES;

/** Most frames that are spliced at once. */
const MAX_FRAMES = 3;
const FRAME_BYTES = STREAM_HEADER_BYTES + MAX_SPLICED;

const scratch = Buffer.allocUnsafeSlow(64 * 1024);
const headers = Buffer.alloc(MAX_FRAMES * STREAM_HEADER_BYTES);

type SplicedOutput = Output & Required<Pick<Output, "send">>;

/** Output of a begun DATA frame that isn't sent. */
interface Tail {
  readonly output: SplicedOutput;
  readonly offset: number;
  readonly end: number;
}

/**
 * Frames on an accepted connection. Output goes from its pipe to a unix socket within the kernel; a vsock socket copies in any
 * case, so the agent does it, in pieces that every device takes. Owns the descriptor.
 */
export class FrameSocket implements FrameCarrier {
  reader: CarrierReader | undefined;
  readonly #sys: WireSys;
  readonly #fd: Fd;
  readonly #isSpliced: boolean;
  #unwatch: (() => void) | undefined;
  /** Goes before `#queue`. */
  #tail: Tail | undefined;
  #queue: Buffer[] = [];
  #unsent = 0;
  #isScheduled = false;
  #isWaiting = false;
  #isClosed = false;

  /** Throws, and closes the descriptor, if the kernel refuses to watch it. */
  constructor(sys: WireSys, fd: Fd, isSpliced: boolean) {
    this.#sys = sys;
    this.#fd = fd;
    this.#isSpliced = isSpliced;
    try {
      sys.setNonBlocking(fd);
      this.setPaused(false);
    } catch (error) {
      sys.close(fd);
      throw error;
    }
  }

  get isFull(): boolean {
    return this.#isWaiting || this.#unsent >= FULL_BYTES;
  }

  get unsent(): number {
    return this.#unsent;
  }

  write(frames: Buffer): void {
    if (this.#isClosed) return;
    this.#queue.push(frames);
    this.#unsent += frames.length;
    if (this.#isScheduled || this.#isWaiting) return;
    this.#isScheduled = true;
    process.nextTick(() => {
      this.#isScheduled = false;
      this.#flush();
    });
  }

  writeCopy(frame: Buffer): void {
    this.#flush();
    if (this.#isWaiting) this.write(Buffer.from(frame));
    else if (!this.#isClosed) this.#writeNow(frame);
  }

  writeOutput(stream: number, offset: number, output: Output, available: number): number {
    if (available >= SPLICED_BYTES) this.#flush();
    if (this.#isClosed || this.isFull) return 0;
    if (this.#isSpliced && canSplice(output) && available >= SPLICED_BYTES) {
      return this.#splice(stream, offset, output, available);
    }
    const frame = output.copy(offset, Math.min(available, MAX_COPIED), STREAM_HEADER_BYTES);
    const length = frame.length - STREAM_HEADER_BYTES;
    if (length <= 0) return 0;
    writeStreamHeader(frame, "data", stream, offset, length);
    if (available < SPLICED_BYTES) this.write(Buffer.from(frame));
    else this.#writeNow(frame);
    return length;
  }

  settle(): void {
    if (this.#tail === undefined) return;
    const { output, offset, end } = this.#tail;
    this.#tail = undefined;
    this.#queue.unshift(Buffer.from(output.copy(offset, end - offset)));
    this.#unsent += end - offset;
  }

  setPaused(paused: boolean): void {
    if (paused) {
      this.#unwatch?.();
      this.#unwatch = undefined;
    } else if (!this.#isClosed) {
      this.#unwatch ??= this.#sys.watch(
        this.#fd,
        () => this.#read(),
        () => this.destroy(),
      );
    }
  }

  release(): Fd {
    this.#flush();
    if (this.#unsent > 0) throw new AgentError("invalid-argument", "the client doesn't read what it is sent");
    this.#end(() => undefined);
    return this.#fd;
  }

  destroy(): void {
    this.#end(() => this.#sys.close(this.#fd));
  }

  #end(close: () => void): void {
    if (this.#isClosed) return;
    this.setPaused(true);
    this.#isClosed = true;
    this.#tail = undefined;
    this.#queue = [];
    this.#unsent = 0;
    close();
    this.reader?.onClosed();
  }

  #read(): void {
    let count: number;
    try {
      count = this.#sys.read(this.#fd, scratch);
    } catch {
      count = 0; // ECONNRESET: the peer is gone
    }
    if (count > 0) this.reader?.onBytes(Buffer.from(scratch.subarray(0, count)));
    else if (count === 0) this.destroy();
  }

  #splice(stream: number, offset: number, output: SplicedOutput, available: number): number {
    const framing = { most: MAX_SPLICED, headers: (length: number) => headersOf(stream, offset, length) };
    const most = Math.min(available, MAX_FRAMES * MAX_SPLICED);
    const [length, sent] = this.#attempt(() => output.send(offset, most, this.#fd, framing)) ?? [0, 0];
    const frames = Math.ceil(length / MAX_SPLICED);
    if (sent === length + frames * STREAM_HEADER_BYTES) return length;
    this.#waitForRoom();
    const whole = Math.floor(Math.max(sent, 0) / FRAME_BYTES);
    const part = Math.max(sent, 0) % FRAME_BYTES;
    if (part === 0) return whole * MAX_SPLICED;
    if (part < STREAM_HEADER_BYTES) {
      this.destroy(); // half a header: no kernel does that with a socket that has room
      return 0;
    }
    const begin = offset + whole * MAX_SPLICED;
    const end = Math.min(begin + MAX_SPLICED, offset + length);
    this.#tail = { output, offset: begin + part - STREAM_HEADER_BYTES, end };
    return end - offset;
  }

  /** Sends the rest of a DATA frame. Returns true once it is sent. */
  #sendTail({ output, offset, end }: Tail): boolean {
    const [length, sent] = output.send(offset, end - offset, this.#fd);
    if (length <= 0) throw new Error("the rest of a frame is gone");
    const next = offset + Math.max(sent, 0);
    this.#tail = next < end ? { output, offset: next, end } : undefined;
    return next === end;
  }

  /** Sends a frame before the queue; queues a copy of the rest. */
  #writeNow(frame: Buffer): void {
    const count = this.#attempt(() => Math.max(this.#sys.write(this.#fd, frame), 0)) ?? 0;
    if (this.#isClosed || count === frame.length) return;
    this.#queue.push(Buffer.from(frame.subarray(count)));
    this.#unsent += frame.length - count;
    this.#waitForRoom();
  }

  #flush(): void {
    const wasFull = this.isFull;
    while (!this.#isClosed && !this.#isWaiting && (this.#tail !== undefined || this.#queue.length > 0)) {
      const tail = this.#tail;
      const isSent = this.#attempt(() => (tail === undefined ? this.#sendQueue() : this.#sendTail(tail)));
      if (isSent === false) this.#waitForRoom();
    }
    if (wasFull && !this.#isClosed && !this.isFull) this.reader?.onRoom();
  }

  /** Sends as many frames as fit one write. Returns true if all of them were sent. */
  #sendQueue(): boolean {
    const batch = nextBatch(this.#queue, (frames) => frames);
    const bytes = batch.length === 1 && batch[0] !== undefined ? batch[0] : Buffer.concat(batch);
    const count = Math.max(this.#sys.write(this.#fd, bytes), 0);
    const others = this.#queue.slice(batch.length);
    this.#queue = count < bytes.length ? [bytes.subarray(count), ...others] : others;
    this.#unsent -= count;
    return count === bytes.length;
  }

  #waitForRoom(): void {
    if (this.#isWaiting || this.#isClosed) return;
    this.#isWaiting = true;
    this.#sys.poll(this.#fd, "write").then(
      () => {
        this.#isWaiting = false;
        this.#flush();
        if (!this.#isClosed && !this.isFull) this.reader?.onRoom();
      },
      () => this.destroy(),
    );
  }

  /** Returns the result; undefined, and closes, if the peer is gone (EPIPE), or the frame can't be completed. */
  #attempt<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch {
      this.destroy();
      return undefined;
    }
  }
}

/** Returns the headers of the frames of so many bytes of output, until the next call. */
function headersOf(stream: number, offset: number, length: number): Buffer {
  let at = 0;
  for (let begin = 0; begin < length; begin += MAX_SPLICED, at += STREAM_HEADER_BYTES) {
    const bytes = Math.min(length - begin, MAX_SPLICED);
    writeStreamHeader(headers.subarray(at), "data", stream, offset + begin, bytes);
  }
  return headers.subarray(0, at);
}

function canSplice(output: Output): output is SplicedOutput {
  return output.send !== undefined;
}
