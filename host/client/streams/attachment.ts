import { randomUUID } from "node:crypto";
import type { Init } from "../../../proto/codec.ts";
import type { grpc, guestd } from "../../../proto/gen/messages.js";
import type { DialOptions, dial } from "../dial.ts";
import { RpcError } from "../rpc-error.ts";
import { currentTraceparent } from "../trace-context.ts";
import { InputQueue } from "./input-queue.ts";
import type { OutputName, Position } from "./position.ts";
import { Reconnects } from "./reconnects.ts";
import { Session } from "./session.ts";

/** A start may take long in a starved guest: init waits up to 80 s before it replaces a silent agent there. */
const FIRST_ANSWER_MS = 120_000;
const MIN_ANSWER_MS = 1000;
/** How long a client that is refused tries again: the agent may not have noticed yet that the client before it is gone. */
const REFUSED_MS = 2000;
const REFUSED_PAUSE_MS = 100;

export interface AttachRequest {
  readonly container: string;
  /** Chosen by the caller. Default: the container's first process. */
  readonly exec?: string | undefined;
  /** Starts this process; attaches if the same process was started under this exec id before. */
  readonly process?: Init<grpc.Process>;
  /** Replaces another client that is attached. */
  readonly takeover?: boolean;
  /** Continues an earlier attachment, even of another process of the host. */
  readonly from?:
    | { readonly epoch?: Uint8Array; readonly stdout: number; readonly stderr?: number | undefined }
    | undefined;
  /** Instead of `from`: begins with the last so many bytes of each output, 0 with what is printed from now on. */
  readonly tail?: number;
  /** Sees output and exit without being the process's client: the process doesn't wait for it, and it can't send input. */
  readonly observe?: boolean;
  /** Whether the process waits for its client (hold), or output may be dropped. Default: hold for a new process. */
  readonly mode?: "hold" | "ring" | "spool" | undefined;
  /** Bytes of each output that ring and spool keep. */
  readonly keepBytes?: number | undefined;
  /** Instead of `from` and `tail`: begins with the output that was taken at or after this time, if the mode is spool. */
  readonly since?: Date;
}

export interface AttachOptions extends Pick<DialOptions, "dialVsock"> {
  /**
   * Takes output. The bytes are acknowledged once it returns, or its promise resolves, and never before; from then on
   * their memory holds other output. Rejecting ends the attachment. All later frames wait for it, the acknowledgement of input among them: don't await `write` here.
   */
  onData(name: OutputName, bytes: Uint8Array, offset: number): void | Promise<void>;
  /** Output that no one can deliver any more. If it returns a promise, all later frames wait for it. Default: the attachment ends. */
  onGap?(name: OutputName, from: number, to: number, reason: string): unknown;
  /** Called before output whose time is known and differs from that of the output before. */
  onTime?(name: OutputName, time: Date): void;
  /** Called when a connection is lost and the next attempt follows. */
  onDisconnect?(reason: string): void;
  /** Called for each connection once it is open. */
  onDial?(): void;
  /** Called for each connection, once the agent has answered. */
  onConnect?(): void;
  /** Connects to the address. Default: `dial`. */
  readonly dial?: typeof dial | undefined;
  /** How long attempts to connect again may fail, ms. Default: a minute. */
  readonly giveUpMs?: number;
  readonly signal?: AbortSignal;
}

/** Status of an ended process. All its output was taken before. */
export interface ProcessEnd extends Position {
  /** 0 to 255; 128 + signal if a signal killed it. */
  readonly code: number;
  readonly signal: number;
}

/** The agent's first answer. */
export interface Attached {
  /** Bytes of input that the process has got: what `write` adds follows them. */
  readonly stdin: number;
  readonly terminal: boolean;
  /** Output that the agent had taken by then. */
  readonly end: Position;
  /** Bytes of each output that are kept although no client takes them; 0 if none. */
  readonly keepBytes: number;
}

/** Parts of an attachment that outlive its connections. */
export interface AttachmentState {
  readonly request: AttachRequest;
  readonly options: AttachOptions;
  /** Names this client over all its connections. */
  readonly client: string;
  readonly input: InputQueue;
  readonly position: { stdout: number | undefined; stderr: number | undefined };
  /** Trace context of the operation that started the process. */
  readonly traceparent: string | undefined;
  epoch: Uint8Array | undefined;
  /** Resolves at the first answer of the agent. */
  readonly attached: PromiseWithResolvers<Attached>;
  /** True once a connection has attached. */
  wasAttached: boolean;
  isInputEnding: boolean;
  size: Init<guestd.v1.Resize> | undefined;
  /** Signals that are not sent yet. */
  readonly signals: number[];
  /** True once SIGKILL was sent: it is sent on each connection, as one may be lost and two do no harm. */
  isKilled: boolean;
}

/**
 * A process in a guest whose stdio continues over disconnections: it connects again and goes on at the byte that it has
 * reached. `exit` resolves only once the agent has said how the process ended.
 */
export class Attachment {
  /** Rejects with RpcError, or the caller's own error. */
  readonly exit: Promise<ProcessEnd>;
  /** Resolves once the process is found or started; rejects like `exit`. */
  readonly attached: Promise<Attached>;
  readonly #address: string;
  readonly #state: AttachmentState;
  readonly #closing = new AbortController();
  #session: Session | undefined;
  /** When the agent first refused this client. */
  #refusedAt: number | undefined;

  constructor(address: string, request: AttachRequest, options: AttachOptions) {
    const { from } = request;
    this.#address = address;
    this.#state = {
      request,
      options,
      client: randomUUID(),
      input: new InputQueue(),
      epoch: from?.epoch,
      position: { stdout: from?.stdout, stderr: from?.stderr },
      traceparent: currentTraceparent(),
      attached: Promise.withResolvers<Attached>(),
      wasAttached: false,
      isInputEnding: false,
      size: undefined,
      signals: [],
      isKilled: false,
    };
    if (request.observe) {
      this.#state.input.refuse(() => new RpcError("failed-precondition", `${this.#name}: an observer sends no input`));
    }
    const { signal } = options;
    const stop = () => this.#closing.abort(signal?.reason);
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
    this.exit = this.#run().finally(() => signal?.removeEventListener("abort", stop));
    this.attached = this.#state.attached.promise;
    this.attached.catch(() => undefined);
    this.exit.then(
      () =>
        this.#state.input.refuse(() => new RpcError("gap", `${this.#name}: the process ended before it got all input`)),
      (error: Error) => {
        this.#state.attached.reject(error);
        this.#state.input.refuse(() => asRpcError(error));
      },
    );
  }

  /** Where another client can continue; undefined before the first connection. */
  get position(): (Position & { readonly epoch: Uint8Array }) | undefined {
    const { epoch, position } = this.#state;
    return epoch && { epoch, stdout: position.stdout ?? 0, stderr: position.stderr ?? 0 };
  }

  /** Resolves once the bytes are written to the process. Rejects if it ends before, or the attachment does. */
  write(bytes: Uint8Array): Promise<void> {
    const written = this.#state.input.add(bytes);
    this.#session?.sendInput();
    return written;
  }

  /** Ends the input after all that was written; a terminal gets ^D instead. */
  end(): void {
    this.#state.isInputEnding = true;
    this.#session?.sendInput();
  }

  resize(rows: number, columns: number): void {
    this.#state.size = { rows, columns };
    this.#session?.sendSize();
  }

  /** Sends a signal once, over this connection or the next. It may be lost if the connection is lost meanwhile. */
  signal(number: number): void {
    this.#state.signals.push(number);
    this.#session?.sendSignals();
  }

  /** Detaches; the process continues, and waits while its output isn't taken. `exit` rejects. */
  close(): void {
    this.#closing.abort(new RpcError("canceled", `${this.#name}: detached`));
  }

  /** Drops the connection at once, as a failing network would. The next one follows unless the client is leaving. */
  disconnect(): void {
    this.#session?.destroy();
  }

  get #name(): string {
    const { container, exec = "" } = this.#state.request;
    return exec === "" ? `attach to container ${container}` : `attach to exec ${exec} of container ${container}`;
  }

  async #run(): Promise<ProcessEnd> {
    const { giveUpMs, onDisconnect } = this.#state.options;
    const { signal } = this.#closing;
    const reconnects = new Reconnects({
      name: () => this.#name,
      cut: (reason) => this.#cutAt(reason),
      limitMs: giveUpMs,
      signal,
    });
    for (;;) {
      signal.throwIfAborted();
      const answerMs = this.#state.wasAttached ? Math.max(reconnects.leftMs, MIN_ANSWER_MS) : FIRST_ANSWER_MS;
      const session = new Session(this.#address, this.#state, signal, answerMs);
      this.#session = session;
      try {
        return await session.run();
      } catch (error) {
        signal.throwIfAborted();
        if (session.isAttached) {
          reconnects.answered();
          this.#refusedAt = undefined;
        }
        if (session.isAttached || !this.#mayAttachLater(error)) {
          const { message } = reconnects.lost(error);
          onDisconnect?.(message);
        }
      } finally {
        this.#session = undefined;
      }
      await reconnects.pause(this.#refusedAt === undefined ? undefined : REFUSED_PAUSE_MS);
    }
  }

  /** True for what the agent says to a client while another one is attached, until that has been so for a while. */
  #mayAttachLater(error: unknown): boolean {
    const isRefusal = error instanceof RpcError && error.kind === "failed-precondition";
    if (!isRefusal || this.#state.request.observe) return false;
    this.#refusedAt ??= performance.now();
    return performance.now() - this.#refusedAt <= REFUSED_MS;
  }

  #cutAt(reason: string): string {
    const { stdout = 0, stderr = 0 } = this.#state.position;
    const where = `cut at byte ${stdout} of stdout${stderr === 0 ? "" : `, ${stderr} of stderr`}`;
    return `${this.#name}: ${where}: ${reason}; the process may still be running`;
  }
}

function asRpcError(error: Error): RpcError {
  return error instanceof RpcError ? error : new RpcError("canceled", error.message, { cause: error });
}

/** Attaches to a process at the address of guestd.v1.Streams (see `dial`), and starts it if the request says so. */
export function attach(address: string, request: AttachRequest, options: AttachOptions): Attachment {
  return new Attachment(address, request, options);
}
