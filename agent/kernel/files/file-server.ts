import { SIGKILL } from "../constants.ts";
import { AgentError, SystemError } from "../error.ts";
import type { Fd, Init, LaunchedProcess } from "../kernel.ts";
import type { RealSys } from "../sys/sys.ts";
import {
  ANSWER_BYTES,
  ANSWERS_BYTES,
  decodeAnswer,
  encodeRequest,
  type FileRequest,
  REQUESTS_BYTES,
} from "./file-protocol.ts";
import { isPtyMaster } from "./pty-master.ts";
import { type Duty, servingRequest } from "./serving-plan.ts";

export type ServerSys = Pick<
  RealSys,
  | ("socketPair" | "setNonBlocking" | "sendMessage" | "receiveMessage" | "read")
  | ("watch" | "pipe" | "signal" | "close")
>;

export interface ServerOptions {
  readonly sys: ServerSys;
  readonly init: Pick<Init, "launch" | "forget">;
  /** Id for init's table. */
  readonly id: number;
  readonly container: string;
  readonly duty: Duty;
  /** How long one call may take, ms. */
  readonly limitMs: number;
}

/** Most bytes of requests without an answer, and the kernel's cost of each: together less than a socket's buffer. */
const MAX_UNANSWERED = 160 * 1024;
const COST = 1024;
/** Most requests in one message: they share the limit of one call. */
const MAX_REQUESTS = 8;
/** How long a killed process may take to end before it counts as held, ms. */
const ENDING_MS = 1000;

export interface ServedAnswer {
  readonly value: number;
  readonly data: Buffer;
  /** Belongs to the caller. */
  readonly fd: Fd | undefined;
}

interface Received {
  readonly data: Buffer;
  readonly fd: Fd | undefined;
}

interface Waiting {
  readonly id: number;
  readonly request: FileRequest;
  readonly bytes: Uint8Array;
  readonly fds: readonly Fd[];
  readonly object: string;
  readonly resolve: (answer: ServedAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/** Buffers for all servers: answers are copied out of it, and requests into it. */
const buffer = Buffer.allocUnsafeSlow(ANSWERS_BYTES);
const message = Buffer.allocUnsafeSlow(REQUESTS_BYTES);

/**
 * A process that init forked to make calls on the files of one root. The kernel may hold it for as long as a file system
 * likes: then it is given up, and only its calls fail.
 */
export class FileServer {
  /** For whom it works: a root's `container`. */
  readonly container: string;
  /** Resolves once the process is gone, which takes as long as the kernel holds it. */
  readonly ended: Promise<void>;
  readonly #options: ServerOptions;
  readonly #socket: Fd;
  readonly #unwatch: () => void;
  /** In the order of their answers. */
  readonly #sent: Waiting[] = [];
  readonly #queue: Waiting[] = [];
  readonly #launched: Promise<LaunchedProcess | undefined>;
  #unanswered = 0;
  #nextId = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed: AgentError | undefined;
  #isGivenUp = false;
  #closedAt = Number.POSITIVE_INFINITY;

  /** Forks the server. `root` (O_PATH) stays the caller's. Calls can be made at once. */
  constructor(options: ServerOptions, root: Fd) {
    this.#options = options;
    this.container = options.container;
    const [ours, theirs] = options.sys.socketPair("seqpacket");
    this.#socket = ours;
    const hasEnded = () => this.#end();
    try {
      options.sys.setNonBlocking(ours);
      this.#unwatch = options.sys.watch(ours, () => this.#receiveAll(), hasEnded);
    } catch (error) {
      for (const fd of [ours, theirs]) options.sys.close(fd);
      throw error;
    }
    this.#launched = this.#launch(root, theirs).catch((error: unknown) => {
      this.#fail(`its helper doesn't start: ${(error as Error).message}`, error);
      return undefined;
    });
    this.ended = this.#launched.then((process) => this.#reaped(process));
  }

  /** True once it takes no more calls. */
  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  /** True if its process does not end: a file system holds it in the kernel. */
  get isHeld(): boolean {
    return this.#isGivenUp || performance.now() - this.#closedAt > ENDING_MS;
  }

  /** True while calls wait for their answers. */
  get isBusy(): boolean {
    return this.#sent.length + this.#queue.length > 0;
  }

  /**
   * Makes a call, after those before it; calls of one turn of the event loop share a message. Rejects with SystemError if it
   * fails, naming `object`, and with AgentError "unavailable" once the server is closed. Descriptors of the request stay the
   * caller's.
   */
  call(request: FileRequest, object = "", fds: readonly Fd[] = []): Promise<ServedAnswer> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const { promise, resolve, reject } = Promise.withResolvers<ServedAnswer>();
    const id = this.#nextId;
    this.#nextId = (id + 1) >>> 0;
    this.#queue.push({ id, request, bytes: encodeRequest(id, request), fds, object, resolve, reject });
    if (fds.length > 0) this.#sendAll();
    else if (this.#queue.length === 1) process.nextTick(() => this.#sendAll());
    return promise;
  }

  /** Ends the process; calls without an answer fail. Idempotent. */
  close(): void {
    this.#fail("its helper was ended");
  }

  async #launch(root: Fd, socket: Fd): Promise<LaunchedProcess> {
    const { sys, init, id } = this.#options;
    using opened = new DisposableStack();
    const closing = (fd: Fd) => opened.adopt(fd, (each) => sys.close(each));
    closing(socket);
    const report = sys.pipe();
    for (const fd of [report.read, report.write]) closing(fd);
    // A server that can't start says why in its report, which is not read: its socket ends.
    const request = servingRequest(id, this.#options, { report: report.write, root, socket });
    return await init.launch(request);
  }

  async #reaped(process: LaunchedProcess | undefined): Promise<void> {
    if (process === undefined) return;
    await process.exit;
    this.#fail("its helper has ended");
    this.#options.sys.close(process.pidfd);
    this.#options.init.forget(process.id);
  }

  #sendAll(): void {
    while (this.#queue.length > 0 && this.#closed === undefined) {
      const batch = this.#nextBatch();
      const cost = batch.reduce((sum, { bytes }) => sum + bytes.length + COST, 0);
      if (this.#sent.length > 0 && this.#unanswered + cost > MAX_UNANSWERED) return;
      try {
        // Without room the next answer makes some.
        if (!this.#options.sys.sendMessage(this.#socket, joined(batch), batch[0]?.fds ?? []) && this.#sent.length > 0)
          return;
      } catch (error) {
        this.#end(error);
        return;
      }
      this.#queue.splice(0, batch.length);
      this.#sent.push(...batch);
      this.#unanswered += cost;
      if (this.#sent.length === batch.length) this.#startTimer();
    }
  }

  /** Returns the requests of the next message. One with a descriptor, on either way, is alone. */
  #nextBatch(): Waiting[] {
    const batch: Waiting[] = [];
    let length = 0;
    for (const next of this.#queue.slice(0, MAX_REQUESTS)) {
      length += next.bytes.length;
      const isAlone = next.fds.length > 0 || next.request.call === "terminal";
      if (batch.length > 0 && (isAlone || length > REQUESTS_BYTES)) break;
      batch.push(next);
      if (isAlone) break;
    }
    return batch;
  }

  /** Receives every answer that is there. An error thrown here ends the watch. */
  #receiveAll(): void {
    while (this.#closed === undefined) {
      const isTerminal = this.#sent[0]?.request.call === "terminal";
      const received = isTerminal ? this.#receiveTerminal() : this.#receive();
      if (received === undefined) return;
      let at = 0;
      do at += this.#takeAnswer(received, at);
      while (at < received.data.length);
      this.#startTimer();
      this.#sendAll();
    }
  }

  /** Takes the answer at an offset of a message; returns its length. */
  #takeAnswer({ data: bytes, fd }: Received, at: number): number {
    const answer = decodeAnswer(bytes, at);
    const [oldest] = this.#sent;
    if (answer === undefined || oldest === undefined || answer.id !== oldest.id) {
      if (fd !== undefined) this.#options.sys.close(fd);
      throw new AgentError("internal", "file server: not an answer to the oldest call");
    }
    this.#sent.shift();
    this.#unanswered -= oldest.bytes.length + COST;
    const { error, value, data } = answer;
    if (error === 0) oldest.resolve({ value, data: Buffer.from(data), fd });
    else oldest.reject(new SystemError(oldest.request.call, -error, oldest.object));
    return ANSWER_BYTES + data.length;
  }

  /** Receives a message. The kernel drops the descriptors that come with it, which nobody has asked for. */
  #receive(): Received | undefined {
    const length = this.#options.sys.read(this.#socket, buffer);
    return length < 0 ? undefined : { data: buffer.subarray(0, length), fd: undefined };
  }

  /** Receives a message that may bring a pty. Any other file stays open: its file system could hold whoever closes it. */
  #receiveTerminal(): Received | undefined {
    const received = this.#options.sys.receiveMessage(this.#socket, buffer);
    if (received === undefined) return undefined;
    const [fd, ...more] = received.fds;
    if (more.length > 0 || (fd !== undefined && !isPtyMaster(fd)))
      throw new AgentError("internal", "file server: a descriptor that is no terminal");
    return { data: buffer.subarray(0, received.data.length), fd };
  }

  /** Limits the oldest call. The limit has two halves, so that one long pause of this process or of the guest is not taken for it. */
  #startTimer(): void {
    clearTimeout(this.#timer);
    const [oldest] = this.#sent;
    if (oldest === undefined) return;
    const half = this.#options.limitMs / 2;
    this.#timer = setTimeout(() => {
      this.#timer = setTimeout(() => this.#expire(oldest), half);
    }, half);
  }

  #expire(oldest: Waiting): void {
    try {
      this.#receiveAll();
    } catch {
      // It is given up below.
    }
    if (this.#sent[0] === oldest) {
      const seconds = this.#options.limitMs / 1000;
      const { call } = oldest.request;
      this.#isGivenUp = true;
      this.#fail(`the file system did not answer in ${seconds} s (${call} ${oldest.object})`);
    }
  }

  /** Fails its calls, with the reason why it did not start if it didn't. */
  #end(cause?: unknown): void {
    void this.#launched.then(() => this.#fail("its helper has ended", cause));
  }

  #fail(why: string, cause?: unknown): void {
    if (this.#closed !== undefined) return;
    this.#closed = new AgentError("unavailable", `files of ${nameOf(this.container)}: ${why}`, { cause });
    this.#closedAt = performance.now();
    clearTimeout(this.#timer);
    this.#unwatch();
    this.#options.sys.close(this.#socket);
    for (const { reject } of [...this.#sent.splice(0), ...this.#queue.splice(0)]) reject(this.#closed);
    void this.#launched.then((process) => process !== undefined && this.#kill(process.pidfd));
  }

  #kill(pidfd: Fd): void {
    try {
      this.#options.sys.signal(pidfd, SIGKILL);
    } catch {
      // It has ended.
    }
  }
}

/** Returns a message's bytes, valid until the next call. */
function joined(batch: readonly Waiting[]): Uint8Array {
  const [first] = batch;
  if (first !== undefined && batch.length === 1) return first.bytes;
  let length = 0;
  for (const { bytes } of batch) {
    message.set(bytes, length);
    length += bytes.length;
  }
  return message.subarray(0, length);
}

/** Names in errors whose files they are: "container web". */
export function nameOf(container: string): string {
  if (container === "") return "the guest";
  return container.startsWith("/") ? container : `container ${container}`;
}
