import { codec, DecodeError } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { STREAM, type StreamFrame } from "../../../proto/stream-frame.ts";
import { AgentError } from "../../kernel/error.ts";
import { streamBytes } from "../../service/stream-bytes.ts";
import type { Attached, Attaching } from "../../service/streams/attach.ts";
import type { FrameStream } from "./frame-stream.ts";
import { OutputSender } from "./output-sender.ts";

const { v1 } = guestd;
const hello = codec("guestd.v1.Hello", v1.Hello);
const gap = codec("guestd.v1.Gap", v1.Gap);
const exit = codec("guestd.v1.Exit", v1.Exit);
const resize = codec("guestd.v1.Resize", v1.Resize);
const signal = codec("guestd.v1.Signal", v1.Signal);

const NONE: readonly number[] = [];

type Output = Attached["stdout"];
type Input = ReturnType<NonNullable<Attached["stdin"]>["open"]>;

const { MODE_HOLD, MODE_RING, MODE_SPOOL } = v1.StreamMode;
const modeOf = ({ kind, isHeld }: Output["mode"]) => (isHeld ? MODE_HOLD : kind === "ring" ? MODE_RING : MODE_SPOOL);
/** How long a client has to answer when another one wants its place. */
const PROBE_MS = 1000;
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
  /** Without the process to start, which is large, and without a view of the frame. */
  readonly #request: guestd.v1.Attach;
  readonly #process: Attached;
  readonly #outputs: readonly OutputSender[];
  /** Offsets at which the outputs begin for this client, until it is started. */
  #starts: readonly number[];
  /** Ends the observation. Undefined for the owner. */
  readonly #leave: ((isForGood: boolean) => void) | undefined;
  /** Opened by the first frame of input: most attachments have none. */
  #input: { readonly writer: Input; readonly ended: AbortController } | undefined;
  #forgetExit: (() => void) | undefined;
  #probe: NodeJS.Timeout | undefined;
  #isClosed = false;
  #isExitSent = false;

  get object(): string {
    const { container_id, exec_id } = this.#request;
    return exec_id === "" ? container_id : `${container_id} ${exec_id}`;
  }

  /** Replaces the process's owner. Throws if another client is attached and may not be replaced. */
  constructor(frames: FrameStream, attaching: Attaching, request: guestd.v1.Attach, process: Attached) {
    this.client = request.client;
    this.#frames = frames;
    this.#attaching = attaching;
    this.#request = { ...request, process: null, epoch: Uint8Array.from(request.epoch) };
    this.#process = process;
    const from = [request.stdout_from, request.stderr_from];
    this.#starts = process.outputs.map((output, at) => startOf(request, output, from[at] ?? null));
    if (request.observe) this.#leave = process.observe(this);
    else this.#own(request);
    const options = { isOwner: !request.observe, hasTimes: request.times };
    this.#outputs = process.outputs.map((output, at) => new OutputSender(frames, output, at + 1, this, options));
    frames.sender = this; // a closure would keep the whole request
  }

  #own(request: guestd.v1.Attach): void {
    const { owner, stdin } = this.#process;
    if (this.#process.isReleased) {
      throw new AgentError("not-found", "attach: a client has acknowledged the process's end");
    }
    if (stdin === undefined)
      throw new AgentError("not-found", "attach: the container was removed; its log can be observed");
    if (owner !== undefined && owner.client !== this.client && !request.takeover) {
      owner.probe();
      throw new AgentError("failed-precondition", "attach: another client is attached; set takeover to replace it");
    }
    this.#attaching.setMode(request, this.#process);
    owner?.replaced(this.client);
    this.#process.owner = this;
  }

  /** Sends the answer and everything that follows it. */
  start(): void {
    const { stdin, process, outputs } = this.#process;
    const [stdout, stderr] = outputs.map((output, at) => ({
      ...{ base: output.base, end: output.end, mode: modeOf(output.mode), start: this.#starts[at] ?? 0 },
      keep_bytes: output.keepBytes,
    }));
    const message = {
      version: 1,
      epoch: this.#attaching.epoch,
      stdout,
      stderr,
      stdin: stdin?.written ?? 0,
      stdin_ended: stdin?.ended ?? true,
      terminal: process.terminal,
    };
    this.#frames.push("hello", STREAM.process, 0, hello.encode(message));
    // Not at once: a removal that has killed the process removes it now, and reports that.
    this.#forgetExit = process.onExit(() => setImmediate(() => this.onEnd()));
    for (const [at, output] of this.#outputs.entries()) output.start(this.#starts[at] ?? 0);
    this.#starts = NONE;
    this.onEnd();
  }

  /** Takes a frame of the client. Throws AgentError, or rejects with it. */
  take({ type, stream, offset, payload }: StreamFrame): void | Promise<void> {
    if (this.#isClosed) return;
    this.#endProbe();
    if (this.#leave !== undefined) return this.#observe(type, stream, offset);
    switch (type) {
      case "ack":
        return this.#acknowledge(stream, offset);
      case "stdin":
        this.#attaching.checkInput(this.#request, payload);
        streamBytes.stdin += payload.length;
        return this.#openInput()?.take(offset, payload);
      case "stdinEof":
        this.#attaching.checkInputEnd(this.#request);
        if (this.#process.process.terminal) {
          throw new AgentError("failed-precondition", "end input: a terminal has no end of input; send ^D");
        }
        return this.#openInput()?.end(offset);
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

  checkAgain(): void {
    this.#attaching.checkPolicy(this.#request);
  }

  /** Another connection attaches: of the same client, which knows, or of another one. */
  replaced(by: string): void {
    if (by !== this.client) this.#frames.push("takenOver", STREAM.process, 0);
    this.close();
    this.#frames.end();
  }

  /**
   * Asks the client, for another one that wants its place, whether it is still there; it loses the place if it doesn't answer.
   * Some vsock devices don't report that a client is gone.
   */
  probe(): void {
    this.#probe ??= setTimeout(() => this.#frames.destroy(), PROBE_MS).unref();
    this.#frames.push("ping", STREAM.process, 0);
  }

  removed(reason = new AgentError("not-found", "attach: the process was removed")): void {
    this.#frames.fail(reason);
  }

  /** Ends the attachment, not the process. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#endProbe();
    this.#forgetExit?.();
    this.#input?.ended.abort(new Error("detached"));
    for (const output of this.#outputs) output.close();
    this.#frames.settle();
    if (this.#process.owner === this) this.#process.owner = undefined;
    this.#leave?.(false);
  }

  /** Sends the exit if the process has ended and all its output was sent. */
  onEnd(): void {
    const { stdout, stderr, process } = this.#process;
    const { status } = process;
    if (this.#isClosed || this.#isExitSent || status === undefined) return;
    if (!this.#outputs.every((output) => output.isEnded)) return;
    const { code, signal, userMicros, systemMicros, maxRssKib } = status;
    const message = {
      ...{ code, signal, stdout: stdout.end, stderr: stderr?.end ?? 0 },
      ...{ user_micros: userMicros, system_micros: systemMicros, max_rss_kib: maxRssKib },
    };
    this.#isExitSent = true;
    this.#frames.push("exit", STREAM.process, 0, exit.encode(message));
  }

  onError(error: unknown): void {
    if (!this.#isClosed) this.#frames.fail(error);
  }

  #endProbe(): void {
    clearTimeout(this.#probe);
    this.#probe = undefined;
  }

  /** Sends the output that the connection has room for. */
  pump(): void {
    for (const output of this.#outputs) output.pump();
  }

  #openInput(): Input | undefined {
    if (this.#input === undefined) {
      const ended = new AbortController();
      const frames = this.#frames;
      const listener = {
        onWritten: (offset: number) => void frames.push("stdinAck", STREAM.stdin, offset),
        onRefused: (offset: number, reason: string) =>
          void frames.push("gap", STREAM.stdin, offset, gap.encode({ to: 0, reason })),
      };
      const writer = this.#process.stdin?.open(listener, ended.signal);
      this.#input = writer && { writer, ended };
    }
    return this.#input?.writer;
  }

  #acknowledge(stream: number, offset: number): void {
    if (stream !== STREAM.process) {
      this.#outputs[stream - 1]?.acknowledge(offset);
      return;
    }
    if (!this.#isExitSent) throw new AgentError("invalid-argument", "acknowledge the exit: it was not sent");
    this.close();
    this.#attaching.release(this.#process);
    this.#frames.end();
  }
}

/** Returns the offset at which an output begins for a client. */
function startOf({ tail, since, observe }: guestd.v1.Attach, output: Output, from: number | null): number {
  const { base, acked, printed } = output;
  if (tail !== null) return Math.max(base, printed - tail);
  if (since !== null) return output.since(since);
  if (from === null) return observe ? base : acked;
  if (from <= printed) return from;
  throw new AgentError("invalid-argument", `attach: output begins at byte ${from}: only ${printed} were printed`);
}

function decode<T>(message: { decode(bytes: Uint8Array): T }, payload: Uint8Array): T {
  try {
    return message.decode(payload);
  } catch (error) {
    if (error instanceof DecodeError) throw new AgentError("invalid-argument", error.message, { cause: error });
    throw error;
  }
}
