import { codec, DecodeError } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { STREAM, type StreamFrame } from "../../../proto/stream-frame.ts";
import { AgentError } from "../../kernel/error.ts";
import type { Attached, Attaching } from "../../service/streams/attach.ts";
import type { FrameStream } from "./frame-stream.ts";

const { v1 } = guestd;
const hello = codec("guestd.v1.Hello", v1.Hello);
const gap = codec("guestd.v1.Gap", v1.Gap);
const exit = codec("guestd.v1.Exit", v1.Exit);
const resize = codec("guestd.v1.Resize", v1.Resize);
const signal = codec("guestd.v1.Signal", v1.Signal);

type Output = Attached["stdout"];

/** A client attached to a process: sends its output and its end, takes input, acknowledgements and signals. */
export class Attachment {
  readonly client: string;
  readonly #frames: FrameStream;
  readonly #attaching: Attaching;
  readonly #request: guestd.v1.Attach;
  readonly #process: Attached;
  readonly #fail: (error: unknown) => void;
  readonly #ended = new AbortController();
  readonly #input: ReturnType<Attached["stdin"]["open"]>;
  /** Offsets after the last byte sent, by stream. */
  readonly #sent = new Map<number, number>();
  #exitSent = false;

  /** Replaces the process's owner. Throws if another client is attached and may not be replaced. */
  constructor(
    frames: FrameStream,
    attaching: Attaching,
    request: guestd.v1.Attach,
    process: Attached,
    fail: (error: unknown) => void,
  ) {
    const { owner } = process;
    if (owner !== undefined && owner.client !== request.client && !request.takeover) {
      throw new AgentError("failed-precondition", "attach: another client is attached; set takeover to replace it");
    }
    this.client = request.client;
    this.#frames = frames;
    this.#attaching = attaching;
    this.#request = request;
    this.#process = process;
    this.#fail = fail;
    owner?.replaced(request.client);
    process.owner = this;
    frames.signal.addEventListener("abort", () => this.close(), { once: true });
    this.#input = process.stdin.open(
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
    const state = (output: Output | undefined) => output && { base: output.base, end: output.end };
    const message = {
      version: 1,
      epoch: this.#attaching.epoch,
      stdout: state(stdout),
      stderr: state(stderr),
      stdin: stdin.written,
      stdin_ended: stdin.ended,
      terminal: process.terminal,
    };
    this.#frames.push("hello", STREAM.process, 0, hello.encode(message));
    void this.#send().catch((error: unknown) => {
      if (!this.#ended.signal.aborted) this.#fail(error);
    });
  }

  /** Takes a frame of the client. Throws AgentError, or rejects with it. */
  async take({ type, stream, offset, payload }: StreamFrame): Promise<void> {
    if (this.#ended.signal.aborted) return;
    switch (type) {
      case "ack":
        return this.#acknowledge(stream, offset);
      case "stdin":
        this.#attaching.checkInput(this.#request, payload);
        return this.#input.take(offset, payload);
      case "stdinEof":
        this.#attaching.checkInputEnd(this.#request);
        if (this.#process.process.terminal) {
          throw new AgentError("failed-precondition", "end input: a terminal has no end of input; send ^D");
        }
        return this.#input.end(offset);
      case "resize":
        return this.#attaching.resize(this.#request, this.#process, decode(resize, payload));
      case "signal":
        return this.#attaching.signal(this.#request, this.#process, decode(signal, payload).number);
      case "ping":
        return void this.#frames.push("pong", STREAM.process, offset);
      case "pong":
        return;
      default:
        throw new AgentError("invalid-argument", `frame ${type}: the client is attached already`);
    }
  }

  /** Another connection attaches: of the same client, which knows, or of another one. */
  replaced(by: string): void {
    if (by !== this.client) this.#frames.push("takenOver", STREAM.process, 0);
    this.close();
    this.#frames.end();
  }

  removed(): void {
    this.#fail(new AgentError("not-found", "attach: the process was removed"));
  }

  /** Ends the attachment, not the process. Idempotent. */
  close(): void {
    this.#ended.abort(new Error("detached"));
    if (this.#process.owner === this) this.#process.owner = undefined;
  }

  async #send(): Promise<void> {
    const { stdout, stderr, process } = this.#process;
    const { stdout_from, stderr_from } = this.#request;
    const sending = [this.#output(stdout, STREAM.stdout, stdout_from)];
    if (stderr !== undefined) sending.push(this.#output(stderr, STREAM.stderr, stderr_from));
    await Promise.all(sending);
    const { code, signal, userMicros, systemMicros, maxRssKib } = await process.wait(this.#ended.signal);
    const message = {
      ...{ code, signal, stdout: stdout.end, stderr: stderr?.end ?? 0 },
      ...{ user_micros: userMicros, system_micros: systemMicros, max_rss_kib: maxRssKib },
    };
    this.#exitSent = true;
    await this.#frames.send("exit", STREAM.process, 0, exit.encode(message));
  }

  /** Sends an output from the client's position to its end. */
  async #output(output: Output, stream: number, from: number | null): Promise<void> {
    let offset = Math.max(from ?? 0, output.base);
    if (from !== null && from < output.base) {
      const reason = "they were acknowledged before";
      await this.#frames.send("gap", stream, from, gap.encode({ to: output.base, reason }));
    }
    output.acknowledge(offset);
    this.#sent.set(stream, offset);
    for (;;) {
      const bytes = await output.read(offset, this.#ended.signal);
      if (bytes.length === 0) break;
      const at = offset;
      offset += bytes.length;
      this.#sent.set(stream, offset);
      await this.#frames.send("data", stream, at, bytes);
    }
    await this.#frames.send("eof", stream, offset);
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
