import { codec, DecodeError } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { STREAM, type StreamFrame } from "../../../proto/stream-frame.ts";
import { AgentError } from "../../kernel/error.ts";
import { type Attached, type Attaching, isGap } from "../../service/streams/attach.ts";
import type { FrameStream } from "./frame-stream.ts";

const { v1 } = guestd;
const hello = codec("guestd.v1.Hello", v1.Hello);
const gap = codec("guestd.v1.Gap", v1.Gap);
const exit = codec("guestd.v1.Exit", v1.Exit);
const resize = codec("guestd.v1.Resize", v1.Resize);
const signal = codec("guestd.v1.Signal", v1.Signal);
const time = codec("guestd.v1.Time", v1.Time);

type Output = Attached["stdout"];
type Input = ReturnType<NonNullable<Attached["stdin"]>["open"]>;

const { MODE_HOLD, MODE_RING, MODE_SPOOL } = v1.StreamMode;
const modeOf = ({ kind, isHeld }: Output["mode"]) => (isHeld ? MODE_HOLD : kind === "ring" ? MODE_RING : MODE_SPOOL);
/** Frames that observers may send. */
const OF_OBSERVERS: ReadonlySet<string> = new Set(["ack", "ping", "pong", "leave"]);

/**
 * A client attached to a process: sends its output and its end, takes input, acknowledgements and signals. An observer only
 * gets output and end.
 */
export class Attachment {
  readonly client: string;
  readonly #frames: FrameStream;
  readonly #attaching: Attaching;
  readonly #request: guestd.v1.Attach;
  readonly #process: Attached;
  readonly #fail: (error: unknown) => void;
  readonly #ended = new AbortController();
  /** Undefined for an observer. */
  readonly #input: Input | undefined;
  /** Offsets at which the outputs begin for this client. */
  readonly #starts: { readonly stdout: number; readonly stderr: number };
  /** Ends the observation. */
  readonly #leave: ((isForGood: boolean) => void) | undefined;
  /** Offsets after the last byte sent, by stream. */
  readonly #sent = new Map<number, number>();
  /** Times of the last bytes sent, by stream. */
  readonly #times = new Map<number, number>();
  #exitSent = false;

  /** Replaces the process's owner. Throws if another client is attached and may not be replaced. */
  constructor(
    frames: FrameStream,
    attaching: Attaching,
    request: guestd.v1.Attach,
    process: Attached,
    fail: (error: unknown) => void,
  ) {
    this.client = request.client;
    this.#frames = frames;
    this.#attaching = attaching;
    this.#request = request;
    this.#process = process;
    this.#fail = fail;
    const { stdout, stderr } = process;
    this.#starts = {
      stdout: this.#startOf(stdout, request.stdout_from),
      stderr: stderr === undefined ? 0 : this.#startOf(stderr, request.stderr_from),
    };
    if (request.observe) this.#leave = process.observe(this);
    else this.#input = this.#own();
    frames.signal.addEventListener("abort", () => this.close(), { once: true });
  }

  #own(): Input {
    const { owner, stdin } = this.#process;
    if (this.#process.isReleased) {
      throw new AgentError("not-found", "attach: a client has acknowledged the process's end");
    }
    if (stdin === undefined)
      throw new AgentError("not-found", "attach: the container was removed; its log can be observed");
    if (owner !== undefined && owner.client !== this.client && !this.#request.takeover) {
      throw new AgentError("failed-precondition", "attach: another client is attached; set takeover to replace it");
    }
    this.#attaching.setMode(this.#request, this.#process);
    owner?.replaced(this.client);
    this.#process.owner = this;
    const frames = this.#frames;
    return stdin.open(
      {
        onWritten: (offset) => void frames.push("stdinAck", STREAM.stdin, offset),
        onRefused: (offset, reason) => void frames.push("gap", STREAM.stdin, offset, gap.encode({ to: 0, reason })),
      },
      this.#ended.signal,
    );
  }

  /** Sends the answer and everything that follows it. */
  start(): void {
    const { stdin, process, stdout, stderr } = this.#process;
    const state = (output: Output | undefined, start: number) =>
      output && {
        ...{ base: output.base, end: output.end, mode: modeOf(output.mode), start },
        keep_bytes: output.keepBytes,
      };
    const message = {
      version: 1,
      epoch: this.#attaching.epoch,
      stdout: state(stdout, this.#starts.stdout),
      stderr: state(stderr, this.#starts.stderr),
      stdin: stdin?.written ?? 0,
      stdin_ended: stdin?.ended ?? true,
      terminal: process.terminal,
    };
    this.#frames.push("hello", STREAM.process, 0, hello.encode(message));
    void this.#send().catch((error: unknown) => {
      if (!this.#ended.signal.aborted) this.#fail(error);
    });
  }

  /** Returns the offset at which an output begins for this client. */
  #startOf(output: Output, from: number | null): number {
    const { base, acked, printed } = output;
    const { tail, since, observe } = this.#request;
    if (tail !== null) return Math.max(base, printed - tail);
    if (since !== null) return output.since(since);
    if (from === null) return observe ? base : acked;
    if (from <= printed) return from;
    throw new AgentError("invalid-argument", `attach: output begins at byte ${from}: only ${printed} were printed`);
  }

  /** Takes a frame of the client. Throws AgentError, or rejects with it. */
  async take({ type, stream, offset, payload }: StreamFrame): Promise<void> {
    if (this.#ended.signal.aborted) return;
    const input = this.#input;
    if (input === undefined) return this.#observe(type, stream, offset);
    switch (type) {
      case "ack":
        return this.#acknowledge(stream, offset);
      case "stdin":
        this.#attaching.checkInput(this.#request, payload);
        return input.take(offset, payload);
      case "stdinEof":
        this.#attaching.checkInputEnd(this.#request);
        if (this.#process.process.terminal) {
          throw new AgentError("failed-precondition", "end input: a terminal has no end of input; send ^D");
        }
        return input.end(offset);
      case "resize":
        return this.#attaching.resize(this.#request, this.#process, decode(resize, payload));
      case "signal":
        return this.#attaching.signal(this.#request, this.#process, decode(signal, payload).number);
      case "ping":
        return void this.#frames.push("pong", STREAM.process, offset);
      case "pong":
        return;
      case "leave":
        this.#attaching.leave(this.#process);
        this.close();
        return this.#frames.destroy(); // tells the client that the next one can attach
      default:
        throw new AgentError("invalid-argument", `frame ${type}: the client is attached already`);
    }
  }

  #observe(type: StreamFrame["type"], stream: number, offset: number): void {
    if (!OF_OBSERVERS.has(type)) {
      throw new AgentError("failed-precondition", `frame ${type}: the client is an observer; attach without observe`);
    }
    if (type === "ping") this.#frames.push("pong", STREAM.process, offset);
    if (type === "leave" || (type === "ack" && stream === STREAM.process)) {
      this.#leave?.(true);
      this.close();
      if (type === "leave") this.#frames.destroy();
      else this.#frames.end();
    }
  }

  /** Another connection attaches: of the same client, which knows, or of another one. */
  replaced(by: string): void {
    if (by !== this.client) this.#frames.push("takenOver", STREAM.process, 0);
    this.close();
    this.#frames.end();
  }

  removed(reason = new AgentError("not-found", "attach: the process was removed")): void {
    this.#fail(reason);
  }

  /** Ends the attachment, not the process. Idempotent. */
  close(): void {
    this.#ended.abort(new Error("detached"));
    if (this.#process.owner === this) this.#process.owner = undefined;
    this.#leave?.(false);
  }

  async #send(): Promise<void> {
    const { stdout, stderr, process } = this.#process;
    const sending = [this.#output(stdout, STREAM.stdout, this.#starts.stdout)];
    if (stderr !== undefined) sending.push(this.#output(stderr, STREAM.stderr, this.#starts.stderr));
    await Promise.all(sending);
    const { code, signal, userMicros, systemMicros, maxRssKib } = await process.wait(this.#ended.signal);
    const message = {
      ...{ code, signal, stdout: stdout.end, stderr: stderr?.end ?? 0 },
      ...{ user_micros: userMicros, system_micros: systemMicros, max_rss_kib: maxRssKib },
    };
    this.#exitSent = true;
    await this.#frames.send("exit", STREAM.process, 0, exit.encode(message));
  }

  /** Sends an output from `start` to its end. */
  async #output(output: Output, stream: number, start: number): Promise<void> {
    if (this.#input !== undefined) await this.#skip(output, start);
    const { signal } = this.#ended;
    let offset = start;
    for (;;) {
      this.#sent.set(stream, offset);
      const read = await output.read(offset, signal);
      if (!isGap(read)) this.#sent.set(stream, offset + read.length);
      if (isGap(read)) await this.#frames.send("gap", stream, offset, gap.encode(read));
      else if (read.length === 0) break;
      else await this.#data(output, stream, offset, read);
      offset = isGap(read) ? read.to : offset + read.length;
    }
    await this.#frames.send("eof", stream, offset);
  }

  /** Sends bytes, with the times at which they were taken if the client wants them. */
  async #data(output: Output, stream: number, offset: number, bytes: Buffer): Promise<void> {
    const end = offset + bytes.length;
    for (let at = offset; at < end; ) {
      const moment = this.#request.times ? output.timeAt(at) : undefined;
      if (moment !== undefined && moment.ms !== this.#times.get(stream)) {
        this.#times.set(stream, moment.ms);
        this.#frames.push("time", stream, at, time.encode({ ms: moment.ms }));
      }
      const to = Math.min(moment?.to ?? end, end);
      await this.#frames.send("data", stream, at, bytes.subarray(at - offset, to - offset));
      at = to;
    }
  }

  /** Acknowledges the output before `start`, some of which may still be in the process's pipe. */
  async #skip(output: Output, start: number): Promise<void> {
    for (let at = output.end; at < start; ) {
      output.acknowledge(at);
      const read = await output.read(at, this.#ended.signal);
      if (!isGap(read) && read.length === 0) break;
      at = isGap(read) ? read.to : at + read.length;
    }
    output.acknowledge(Math.min(start, output.end));
  }

  #acknowledge(stream: number, offset: number): void {
    if (stream === STREAM.process) {
      if (!this.#exitSent) throw new AgentError("invalid-argument", "acknowledge the exit: it was not sent");
      this.close();
      this.#attaching.release(this.#process);
      this.#frames.end();
      return;
    }
    const sent = this.#sent.get(stream) ?? 0;
    if (offset > sent) {
      throw new AgentError("invalid-argument", `acknowledge byte ${offset}: only ${sent} bytes were sent`);
    }
    const output = stream === STREAM.stdout ? this.#process.stdout : this.#process.stderr;
    output?.acknowledge(offset);
  }
}

function decode<T>(message: { decode(bytes: Uint8Array): T }, payload: Uint8Array): T {
  try {
    return message.decode(payload);
  } catch (error) {
    if (error instanceof DecodeError) throw new AgentError("invalid-argument", error.message, { cause: error });
    throw error;
  }
}
