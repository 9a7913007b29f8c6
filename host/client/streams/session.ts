import { constants } from "node:os";
import type { guestd } from "../../../proto/gen/messages.js";
import { type FrameType, STREAM, type StreamFrame } from "../../../proto/stream-frame.ts";
import { DialError } from "../dial.ts";
import { answers, requests } from "../edge/stream-messages.ts";
import { STREAM_MODES } from "../edge/values.ts";
import { RpcError } from "../rpc-error.ts";
import type { AttachmentState, ProcessEnd } from "./attachment.ts";
import { Connection } from "./connection.ts";
import { dialStreams } from "./dial-streams.ts";
import type { OutputName } from "./position.ts";

const { SIGKILL } = constants.signals;

const { MODE_HOLD: hold, MODE_RING: ring, MODE_SPOOL: spool } = STREAM_MODES;
const MODES = { hold, ring, spool };
const MAX_CODE = 255;
/** How long the agent has to let go of a client that leaves. */
const LEAVE_MS = 1000;
const CONTROL_D = Uint8Array.of(4);

/** One connection of an attachment. */
export class Session {
  readonly #address: string;
  readonly #state: AttachmentState;
  readonly #signal: AbortSignal;
  readonly #answerMs: number;
  #answerTimer: NodeJS.Timeout | undefined;
  #connection: Connection | undefined;
  #hello: guestd.v1.Hello | undefined;
  #isEofSent = false;
  /** True while the caller takes output: frames behind it aren't read. */
  #isTaking = false;
  #leaveTimer: NodeJS.Timeout | undefined;
  #end: ProcessEnd | undefined;
  /** Offsets to acknowledge, by stream, once everything that has arrived is taken. */
  readonly #taken = new Map<number, number>();

  /** The agent has `answerMs` for its answer, after which the connection counts as lost. */
  constructor(address: string, state: AttachmentState, signal: AbortSignal, answerMs: number) {
    this.#address = address;
    this.#state = state;
    this.#signal = signal;
    this.#answerMs = answerMs;
  }

  /** True once the agent has answered. */
  get isAttached(): boolean {
    return this.#hello !== undefined;
  }

  /** Connects, attaches and serves until the process ends. Rejects with RpcError "cut" if the connection ends before. */
  async run(): Promise<ProcessEnd> {
    try {
      return await this.#serve();
    } finally {
      clearTimeout(this.#answerTimer);
      clearTimeout(this.#leaveTimer);
      this.#connection?.[Symbol.dispose]();
    }
  }

  /** Sends input that is waiting, as far as the window allows, then its end. */
  sendInput(): void {
    const { input, isInputEnding } = this.#state;
    if (this.#hello === undefined || input.isRefused) return;
    for (let piece = input.next(); piece !== undefined; piece = input.next()) {
      this.#send("stdin", STREAM.stdin, piece.offset, piece.bytes);
    }
    if (!isInputEnding || this.#isEofSent || this.#hello.stdin_ended || !input.isSent) return;
    this.#isEofSent = true;
    if (!this.#hello.terminal) this.#send("stdinEof", STREAM.stdin, input.end);
    else {
      this.#state.isInputEnding = false; // from now on ^D is input like any other
      input.add(CONTROL_D).catch(() => undefined);
      this.sendInput();
    }
  }

  sendSize(): void {
    const { size, request } = this.#state;
    if (this.#hello?.terminal && size !== undefined && !request.observe) {
      this.#send("resize", STREAM.process, 0, requests.resize.encode(size));
    }
  }

  sendSignals(): void {
    if (this.#hello === undefined || this.#state.request.observe) return;
    for (const number of this.#state.signals.splice(0)) {
      this.#send("signal", STREAM.process, 0, requests.signal.encode({ number }));
      this.#state.isKilled ||= number === SIGKILL;
    }
  }

  destroy(): void {
    this.#connection?.destroy();
  }

  /**
   * Tells the agent that this client will not come back, after the piece of output that the caller is taking. The agent
   * closes the connection once the next client can attach.
   */
  #leave(): void {
    if (this.#hello === undefined) {
      this.destroy();
      return;
    }
    this.#leaveTimer = setTimeout(() => this.destroy(), LEAVE_MS);
    if (!this.#isTaking) this.#sendLeave();
  }

  #sendLeave(): void {
    this.#acknowledge();
    this.#send("leave", STREAM.process, 0);
  }

  async #serve(): Promise<ProcessEnd> {
    const { onDial, dial: connect = dialStreams, dialVsock } = this.#state.options;
    // A place that is refused, such as that of a guest which is ending, counts as one where nothing listens.
    const dial: typeof connect = (...place) =>
      connect(...place).catch((error: Error) => {
        throw error instanceof DialError ? error : new DialError(error.message, { cause: error });
      });
    const options = { dial, dialVsock, singleBuffer: true, signal: this.#signal };
    const onAbort = (connection: Connection) => {
      this.#connection = connection;
      this.#leave();
    };
    const connection = await Connection.open(this.#address, "attach", this.#request(), options, onAbort);
    this.#connection = connection;
    onDial?.();
    const late = `the agent didn't answer within ${Math.ceil(this.#answerMs / 1000)} s`;
    this.#answerTimer = setTimeout(() => connection.destroy(late), this.#answerMs);
    await connection.read((frame) => this.#take(frame) ?? (this.#end === undefined ? undefined : "stop"));
    this.#send("ack", STREAM.process, 0); // of the end, so that the agent forgets the process
    return this.#end as ProcessEnd;
  }

  #request(): Uint8Array {
    const { request, client, epoch, position, wasAttached, options } = this.#state;
    const { container, exec, process, takeover, tail, observe, mode, keepBytes, since } = request;
    return requests.attach.encode({
      version: 1,
      container_id: container,
      exec_id: exec,
      client,
      epoch,
      // Once attached, a client neither starts the process again nor takes back what another client has taken.
      ...(wasAttached ? {} : { process, takeover, traceparent: this.#state.traceparent }),
      stdout_from: position.stdout,
      stderr_from: position.stderr,
      observe,
      ...(position.stdout === undefined && { tail, since: since?.getTime() }),
      mode: mode && MODES[mode],
      keep_bytes: keepBytes,
      times: options.onTime !== undefined,
    });
  }

  #take({ type, stream, offset, payload }: StreamFrame): undefined | Promise<undefined> {
    if (this.#leaveTimer !== undefined) return;
    const name = stream === STREAM.stderr ? "stderr" : "stdout";
    switch (type) {
      case "hello":
        this.#begin(answers.hello.decode(payload));
        break;
      case "data":
        return this.#data(name, stream, offset, payload);
      case "gap":
        return this.#gap(stream, name, offset, answers.gap.decode(payload));
      case "time":
        this.#state.options.onTime?.(name, new Date(answers.time.decode(payload).ms));
        break;
      case "eof":
        this.#check(name, offset);
        break;
      case "stdinAck":
        this.#state.input.acknowledge(offset);
        this.sendInput();
        break;
      case "stdinUnsure": {
        const { to, reason } = answers.gap.decode(payload);
        const line = `input from ${offset} to ${to} may or may not have been written: ${reason}`;
        this.#state.input.refuse(() => new RpcError("gap", line));
        break;
      }
      case "exit":
        this.#exit(answers.exit.decode(payload));
        break;
      case "takenOver":
        throw new RpcError("taken-over", "attach: another client has taken over");
    }
    return undefined;
  }

  #begin(hello: guestd.v1.Hello): void {
    clearTimeout(this.#answerTimer);
    const { position, input } = this.#state;
    this.#state.epoch = hello.epoch;
    this.#state.wasAttached = true;
    position.stdout ??= hello.stdout?.start ?? 0;
    position.stderr ??= hello.stderr?.start ?? 0;
    if (!input.isRefused) input.begin(hello.stdin);
    this.#hello = hello;
    const { stdin, terminal, stdout, stderr } = hello;
    const end = { stdout: stdout?.end ?? 0, stderr: stderr?.end ?? 0 };
    this.#state.attached.resolve({ stdin, terminal, end, keepBytes: stdout?.keep_bytes ?? 0 });
    this.#state.options.onConnect?.();
    this.sendSize();
    if (this.#state.isKilled) this.#state.signals.push(SIGKILL);
    this.sendSignals();
    this.sendInput();
  }

  #data(name: OutputName, stream: number, offset: number, bytes: Uint8Array): undefined | Promise<undefined> {
    this.#check(name, offset);
    const taken = () => {
      const end = offset + bytes.length;
      this.#isTaking = false;
      this.#state.position[name] = end;
      if (this.#taken.size === 0) setImmediate(() => this.#acknowledge());
      this.#taken.set(stream, end);
      if (this.#leaveTimer !== undefined) this.#sendLeave();
      return undefined;
    };
    this.#isTaking = true;
    return this.#state.options.onData(name, bytes, offset)?.then(taken) ?? taken();
  }

  #acknowledge(): void {
    const offsets = [...this.#taken];
    this.#taken.clear();
    if (this.#end !== undefined) return; // acknowledging the end acknowledges everything
    for (const [stream, offset] of offsets) this.#send("ack", stream, offset);
  }

  #gap(stream: number, name: OutputName, from: number, { to, reason }: guestd.v1.Gap): undefined | Promise<undefined> {
    const { position, options, input } = this.#state;
    if (stream === STREAM.stdin) {
      input.refuse(() => new RpcError("gap", reason));
      return undefined;
    }
    this.#check(name, from);
    if (options.onGap === undefined) {
      throw new RpcError("data-loss", `attach: bytes ${from} to ${to} of ${name} are gone: ${reason}`);
    }
    if (to <= from) throw new RpcError("internal", `attach: the agent reports a gap from ${from} to ${to} of ${name}`);
    position[name] = to;
    const done = options.onGap(name, from, to, reason);
    return done instanceof Promise ? done.then(() => undefined) : undefined;
  }

  /** Throws unless a frame continues where this client is. */
  #check(name: OutputName, offset: number): void {
    const expected = this.#state.position[name] ?? 0;
    if (this.#hello !== undefined && offset === expected) return;
    throw new RpcError("internal", `attach: the agent continues ${name} at ${offset}, not at ${expected}`);
  }

  #exit({ code, signal, stdout, stderr }: guestd.v1.Exit): void {
    this.#check("stdout", stdout);
    this.#check("stderr", stderr);
    if (code > MAX_CODE) throw new RpcError("internal", `attach: the agent reports ${code} as the exit code`);
    this.#end = { code, signal, stdout, stderr };
  }

  #send(type: FrameType, stream: number, offset: number, payload?: Uint8Array): void {
    this.#connection?.send(type, offset, payload, stream);
  }
}
