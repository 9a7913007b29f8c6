import { constants } from "node:os";
import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { OutputName } from "../../client/streams/position.ts";
import type { PlanStep } from "../../engine/container/plan-step.ts";
import type { Process, ProcessStatus, TakeOutput } from "../../engine/process.ts";
import { type CallLimits, limited, limitOf } from "../call/limits.ts";
import { SandboxError } from "../error/sandbox-error.ts";
import { sandboxError, toSandboxError } from "../error/to-sandbox-error.ts";
import { ExecResult } from "./exec-result.ts";
import { Output } from "./output.ts";
import type { ExecPosition } from "./position.ts";

const { SIGKILL } = constants.signals;
/** Milliseconds that disposal waits for a killed process to end. */
const END_MS = 10_000;

/** Input of an exec: text or bytes, what yields them, or true to leave it open for `exec.stdin`. */
export type ExecInput = true | string | Uint8Array | AsyncIterable<string | Uint8Array>;

/** A piece of an exec's output. */
export interface ExecChunk {
  readonly stream: OutputName;
  readonly data: Uint8Array;
  /** The same as text; a character that the next chunk completes is U+FFFD. */
  readonly text: string;
}

/** Everything that makes an exec; for the SDK's own use. */
export interface ExecParts {
  /** Begins the lines of errors. */
  readonly what: string;
  readonly limits: CallLimits;
  readonly maxOutputBytes: number;
  readonly stdin?: ExecInput | undefined;
  readonly tty: boolean;
  /** True if the process ran before: its input is left alone. */
  readonly isJoined?: boolean;
  /** Where the output begins, and the rest of its positions. */
  readonly place: Omit<ExecPosition, "exec" | "epoch">;
  /** Aborted once the sandbox has ended. */
  readonly ended: AbortSignal;
  start(take: TakeOutput): Process;
  explain(limits: CallLimits): Promise<readonly PlanStep[]>;
  /** Returns the error that the sandbox's end explains, or the error itself. */
  causeOf?(error: SandboxError): Promise<SandboxError>;
}

/**
 * A process in a sandbox. Await it for its exit code and output, or iterate over its output; until one of that happens
 * the output waits in the container. Never return one from an async function: the caller would get its result.
 */
export class Exec implements PromiseLike<ExecResult>, AsyncIterable<ExecChunk>, AsyncDisposable {
  readonly #parts: ExecParts;
  readonly #output: Output;
  readonly #process: Process;
  readonly #status: Promise<ProcessStatus>;
  readonly #streams: { stdout?: Readable; stderr?: Readable } = {};
  #result: Promise<ExecResult> | undefined;
  #stdin: Writable | undefined;
  readonly #stopped = Promise.withResolvers<never>();
  #isOver = false;

  /** @internal */
  constructor(parts: ExecParts) {
    const { what, limits, place, maxOutputBytes, ended } = parts;
    this.#parts = parts;
    this.#output = new Output(place, maxOutputBytes, () => this.#overflow());
    const limit = limitOf(what, limits);
    this.#process = parts.start((...piece) => this.#output.add(...piece));
    this.#process.started.catch(() => undefined);
    const onLimit = () => void this.#abort(limit.signal.reason);
    const onEnd = () => {
      const error = toSandboxError(what, ended.reason);
      this.#output.fail(error);
      this.#stopped.reject(error);
    };
    const watched = [[limit.signal, onLimit] as const, [ended, onEnd] as const];
    for (const [signal, listener] of watched) {
      if (signal.aborted) listener();
      else signal.addEventListener("abort", listener, { once: true });
    }
    this.#status = this.#settle().finally(() => {
      this.#isOver = true;
      for (const [signal, listener] of watched) signal.removeEventListener("abort", listener);
      limit[Symbol.dispose]();
    });
    this.#status.catch(() => undefined);
    this.#sendInput();
  }

  /** Exec id, unique in its container. */
  get id(): string {
    return this.#process.id;
  }

  /** Resolves once the process runs. */
  started(limits: CallLimits = {}): Promise<void> {
    return limited(`start of ${this.#parts.what}`, limits, async () => {
      await Promise.race([this.#process.started.catch(() => this.#status), this.#status]);
    });
  }

  /**
   * Input of an exec that was started with `stdin: true`. A write is done once the process has read it. A loop over the output
   * must not await one in its body: what the agent says about input waits for the body too.
   */
  get stdin(): Writable {
    if (this.#stdin !== undefined) return this.#stdin;
    throw sandboxError("invalid-argument", `${this.#parts.what}: its input isn't open: start it with stdin: true`);
  }

  /** Takes stdout as a stream. Back-pressure reaches the process. */
  get stdout(): Readable {
    return this.#stream("stdout");
  }

  /** Takes stderr as a stream. */
  get stderr(): Readable {
    return this.#stream("stderr");
  }

  /**
   * Where this client is in the output, as plain data for `attach` here or in another process. It includes the chunk
   * that a loop is at. Undefined until the process runs, and for agents other than guestd.
   */
  get position(): ExecPosition | undefined {
    const { id: exec, epoch } = this.#process;
    const { stdout, stderr } = this.#output.position;
    return epoch === undefined ? undefined : { ...this.#parts.place, exec, stdout, stderr, epoch };
  }

  /** Yields the output as it comes. The next chunk is requested once the loop's body is done with the last one. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ExecChunk, void> {
    this.#output.claim();
    const free = (["stdout", "stderr"] as const).filter((name) => this.#streams[name] === undefined);
    for await (const { name, bytes } of this.#output.pieces(free)) {
      yield { stream: name, data: bytes, text: bytes.toString("utf8") };
    }
    await this.#status;
  }

  /** Resolves with the exit code and the output, once the process has ended. Rejects with SandboxError. */
  // biome-ignore lint/suspicious/noThenProperty: an exec is awaited for its result
  then<A = ExecResult, B = never>(
    onResult?: ((result: ExecResult) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#result ??= this.#finish();
    return this.#result.then(onResult, onError);
  }

  /** Like that of a promise. */
  catch<B = never>(onError?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<ExecResult | B> {
    return this.then(undefined, onError);
  }

  /** Like that of a promise. */
  finally(onEnd?: (() => void) | null): Promise<ExecResult> {
    return this.then().finally(onEnd);
  }

  /** Resolves with the result, or rejects with SandboxError `exit` if the exit code isn't 0. */
  async orThrow(): Promise<ExecResult> {
    return (await this).orThrow();
  }

  /** Resolves with the exit code once the process has ended. Limits end the waiting, not the process. */
  wait(limits: CallLimits = {}): Promise<ProcessStatus> {
    this.#output.collect();
    return limited(`wait for ${this.#parts.what}`, limits, () => this.#status);
  }

  /** Sends a signal, by default SIGKILL; `wait` resolves once the process has ended. Does nothing afterwards. */
  async kill(signal: NodeJS.Signals | number = SIGKILL): Promise<void> {
    const number = typeof signal === "number" ? signal : constants.signals[signal];
    if (number === undefined) throw sandboxError("invalid-argument", `kill ${this.#parts.what}: no signal ${signal}`);
    if (this.#isOver) return;
    try {
      await this.#process.signal(number);
    } catch (error) {
      if (!this.#isOver) throw toSandboxError(`kill ${this.#parts.what}`, error);
    }
  }

  /** Sets the size of a terminal. */
  resize(size: { readonly rows: number; readonly columns: number }): void {
    if (!this.#parts.tty) throw sandboxError("invalid-argument", `resize ${this.#parts.what}: it has no terminal`);
    this.#process.resize(size.rows, size.columns);
  }

  /** Returns the launch plan of the process's container, operation by operation. */
  explain(limits: CallLimits = {}): Promise<readonly PlanStep[]> {
    return this.#parts.explain(limits);
  }

  /** Leaves the process, which continues and waits while its output isn't taken. What is awaited here rejects. */
  detach(): void {
    const error = sandboxError("aborted", `${this.#parts.what}: detached`);
    this.#output.fail(error);
    this.#stopped.reject(error);
    this.#process.detach();
  }

  /** Kills the process, unless it has ended or was detached, and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOver) return;
    this.#output.drop(sandboxError("aborted", `${this.#parts.what}: disposed of before its end`));
    await this.kill().catch(() => undefined);
    await this.wait({ timeoutMs: END_MS }).catch(() => undefined);
    this.#process.detach();
  }

  async #finish(): Promise<ExecResult> {
    this.#output.collect();
    const status = await this.#status;
    if (this.#output.error !== undefined) throw this.#output.error;
    const bytes = { stdout: this.#output.collected("stdout"), stderr: this.#output.collected("stderr") };
    const taken = (["stdout", "stderr"] as const).filter((name) => this.#output.isTaken(name));
    return new ExecResult(this.#parts.what, status, bytes, taken);
  }

  #stream(name: OutputName): Readable {
    const known = this.#streams[name];
    if (known !== undefined) return known;
    if (this.#output.claim([name]).length === 0) {
      throw sandboxError("wrong-state", `${this.#parts.what}: a loop takes its ${name} already`);
    }
    const bytes = async function* (pieces: AsyncIterable<{ readonly bytes: Buffer }>) {
      for await (const piece of pieces) yield piece.bytes;
    };
    const stream = Readable.from(bytes(this.#output.pieces([name])), { objectMode: false, highWaterMark: 1 });
    // The other output would make the process wait. If it isn't claimed as well by now, it is collected.
    setImmediate(() => this.#output.collect());
    this.#streams[name] = stream;
    return stream;
  }

  #sendInput(): void {
    const { stdin } = this.#parts;
    if (stdin === undefined) {
      if (!this.#parts.isJoined) this.#process.endInput();
      return;
    }
    const input = new Writable({
      write: (chunk: Buffer, _encoding, done) => void this.#process.write(chunk).then(() => done(), done),
      final: (done) => {
        this.#process.endInput();
        done();
      },
    });
    input.on("error", () => undefined); // its writes report it
    if (stdin === true) this.#stdin = input;
    else if (typeof stdin === "string" || stdin instanceof Uint8Array) input.end(stdin);
    else void this.#pipeInput(stdin, input);
  }

  async #pipeInput(source: AsyncIterable<string | Uint8Array>, input: Writable): Promise<void> {
    let failure: unknown;
    const watched = async function* () {
      try {
        yield* source;
      } catch (error) {
        failure = error;
        throw error;
      }
    };
    // A process that ends early doesn't need the rest.
    await pipeline(Readable.from(watched(), { objectMode: false }), input).catch(() => undefined);
    if (failure !== undefined) this.#abort(toSandboxError(`input of ${this.#parts.what}`, failure));
  }

  /** Resolves with the process's end; rejects with SandboxError. */
  async #settle(): Promise<ProcessStatus> {
    try {
      const status = await Promise.race([this.#process.ended, this.#stopped.promise]);
      this.#output.end();
      return status;
    } catch (error) {
      const known = toSandboxError(this.#parts.what, error);
      const failure = (await this.#parts.causeOf?.(known)) ?? known;
      this.#output.fail(failure);
      throw failure;
    }
  }

  /** Kills the process, and fails with the error. */
  #abort(error: Error): void {
    this.#output.drop(error);
    this.#stopped.reject(error);
    void this.#process.signal(SIGKILL).catch(() => undefined);
  }

  #overflow(): Error {
    const { what, maxOutputBytes } = this.#parts;
    const line = `${what}: killed, as it printed over ${maxOutputBytes} bytes`;
    const remedy = "take its output by a loop, or raise maxOutputBytes";
    const error = new SandboxError("limit", line, { remedy });
    this.#abort(error);
    return error;
  }
}
