import { FRAME_REQUEST, type Frame, FrameParser, type OversizeFrame } from "../../proto/ttrpc-frame.ts";
import { AgentError } from "../kernel/error.ts";
import type { Handler, ServiceTable } from "../service/dispatch.ts";
import { type RpcStatus, status, toStatus } from "../service/status.ts";
import type { BodyRoom } from "./body-room.ts";
import { callQueue } from "./call-queue.ts";
import {
  CLOSE_GRACE_MS,
  type Connection,
  type ConnectionOptions,
  MAX_CALLS,
  MAX_UNWRITTEN,
  type OpenCall,
} from "./connection.ts";
import { diagnostics, type RefusedEvent } from "./diagnostics.ts";
import type { KeptConnections } from "./kept-connections.ts";
import { QUIET_MS, QuietWatch } from "./quiet-watch.ts";
import { ServerCall } from "./server-call.ts";
import { type CallRequest, namesOf, readRequest } from "./ttrpc-request.ts";
import { okFrame, statusFrame } from "./ttrpc-response.ts";
import type { Wire, WireReader } from "./wire.ts";

/** Longest delay of a timer, 24.8 days; longer deadlines are not enforced. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Queued calls above which reading stops. */
const MAX_PENDING = 256;

/** An unanswered call. */
interface Entry {
  readonly open: OpenCall;
  readonly call: ServerCall;
  readonly timer: NodeJS.Timeout | undefined;
  readonly held: number;
}

/** A request that was recorded in the journal, or the status that refuses it. */
export interface Noted {
  readonly streamId: number;
  readonly place: number | undefined;
  readonly request: CallRequest | RpcStatus;
  /** Bytes of room held. */
  readonly held: number;
}

/**
 * ttRPC on one accepted connection: unary calls, served concurrently and answered in any order. Owns the wire. If the peer
 * ends its side, the connection counts as lost: calls are aborted and their answers dropped. From its first bytes the
 * connection and its open calls outlive the agent. A connection whose half-sent request goes silent is closed.
 */
export class TtrpcConnection implements Connection, WireReader {
  readonly protocol = "ttrpc";
  readonly peer: string;
  readonly closed: Promise<void>;
  readonly #wire: Wire;
  readonly #kept: KeptConnections;
  readonly #peerCid: number | undefined;
  readonly #table: ServiceTable;
  readonly #maxCalls: number;
  readonly #maxUnwritten: number;
  readonly #room: BodyRoom;
  readonly #parser: FrameParser;
  /** Runs while a frame is incomplete. */
  readonly #quiet: QuietWatch;
  #unwrittenWhenQuiet = 0;
  readonly #calls = new Map<number, Entry>();
  /** Calls recorded in the journal that haven't started. */
  readonly #pending: Noted[] = [];
  #scheduled = false;
  readonly #end: () => void;
  /** Handlers that haven't returned, including those of calls that timed out. */
  #running = 0;
  #isPlaced = false;
  #closing = false;
  #idle: (() => void) | undefined;

  constructor(
    wire: Wire,
    kept: KeptConnections,
    table: ServiceTable,
    peer: { readonly name: string; readonly cid: number | undefined },
    room: BodyRoom,
    options: ConnectionOptions = {},
  ) {
    this.#wire = wire;
    this.#room = room;
    this.#parser = new FrameParser(room);
    this.#kept = kept;
    this.#table = table;
    this.peer = peer.name;
    this.#peerCid = peer.cid;
    this.#maxCalls = options.maxCalls ?? MAX_CALLS;
    this.#maxUnwritten = options.maxUnwritten ?? MAX_UNWRITTEN;
    this.#quiet = new QuietWatch(options.quietMs ?? QUIET_MS, () => this.#silent());
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#end = resolve;
    wire.reader = this;
  }

  openCalls(): OpenCall[] {
    const pending = this.#pending.flatMap(({ streamId, request }) =>
      "code" in request ? [] : openCall(streamId, request),
    );
    return [...Array.from(this.#calls.values(), ({ open }) => open), ...pending];
  }

  async close(graceMs: number = CLOSE_GRACE_MS): Promise<void> {
    this.#closing = true;
    const timer = setTimeout(() => this.destroy(), graceMs);
    if (!this.#isIdle) {
      await Promise.race([new Promise<void>((resolve) => (this.#idle = resolve)), this.closed]);
    }
    this.#wire.onDrained(() => this.destroy());
    await this.closed;
    clearTimeout(timer);
  }

  destroy(): void {
    this.#wire.destroy();
  }

  /** Records all requests of a read, then serves them. `known` are stream ids of calls that already exist. */
  onBytes(bytes: Buffer, known?: ReadonlySet<number>): void {
    if (!this.#isPlaced) {
      this.#isPlaced = true;
      if (this.#wire.index === undefined) this.#wire.keep(this.#kept.keep(this.#wire.fd, this.#peerCid));
    }
    const noted: Noted[] = [];
    for (const frame of this.#parser.push(bytes)) {
      if (frame.type === FRAME_REQUEST && known?.has(frame.streamId) !== true) noted.push(this.#note(frame));
      else this.#room.give(roomOf(frame));
    }
    if (this.#parser.idle) this.#quiet.stop();
    else this.#quiet.heard();
    this.#kept.journal.noted(this.#wire.index, bytes, this.#parser.unended);
    for (const it of noted) this.serve(it);
    if (this.#pending.length > MAX_PENDING) this.#wire.pause();
  }

  onClosed(): void {
    const entries = [...this.#calls.values()];
    const pending = this.#pending.splice(0);
    this.#calls.clear();
    this.#idle?.();
    this.#parser.release();
    this.#quiet.stop();
    const reason = new AgentError("canceled", `the connection from ${this.peer} was closed`);
    for (const { call, timer } of entries) {
      clearTimeout(timer);
      call.report(undefined);
      call.settle(false);
      call.abort(reason);
      if (this.#wire.index !== undefined) this.#kept.journal.closeCall(this.#wire.index, call.place);
    }
    for (const { held, place } of pending) {
      this.#room.give(held);
      if (this.#wire.index !== undefined) this.#kept.journal.closeCall(this.#wire.index, place);
    }
    if (this.#wire.index !== undefined) this.#kept.drop(this.#wire.index);
    this.#end();
  }

  /** Queues a recorded call, which is served once the peer takes its answers. */
  serve(noted: Noted): void {
    if (this.#wire.closed) {
      this.#room.give(noted.held);
      return;
    }
    this.#pending.push(noted);
    this.#serveNext();
  }

  #serveNext(): void {
    if (this.#scheduled || this.#pending.length === 0 || this.#wire.unwritten > this.#maxUnwritten) return;
    this.#scheduled = true;
    callQueue.run(() => {
      this.#scheduled = false;
      const noted = this.#pending.shift();
      if (noted !== undefined) this.#begin(noted);
      if (this.#pending.length === 0) this.#resume();
      else this.#serveNext();
    });
  }

  #begin({ streamId, place, request, held }: Noted): void {
    const admitted = "code" in request ? request : this.#admit(streamId, request);
    if (typeof admitted !== "function") {
      this.#room.give(held);
      this.#write(statusFrame(streamId, admitted), place, true);
      return;
    }
    const call = request as CallRequest;
    this.#start(openCall(streamId, call), { place, held }, admitted, call.metadata);
  }

  /** Answers a recorded call that has no entry here with a whole frame. */
  answer(frame: Uint8Array, place: number | undefined): void {
    this.#write(frame, place, true);
  }

  /** Closes a connection with a half-sent frame: its end is unknown. While reading is paused, the peer isn't to blame. */
  #silent(): void {
    const { paused, unwritten } = this.#wire;
    const isBusy = paused && (this.#pending.length > 0 || unwritten !== this.#unwrittenWhenQuiet);
    this.#unwrittenWhenQuiet = unwritten;
    if (isBusy) {
      this.#quiet.heard();
      return;
    }
    diagnostics.refused.publish({
      peer: this.peer,
      reason: "the rest of a request didn't arrive in time",
    } satisfies RefusedEvent);
    this.destroy();
  }

  /** Resumes reading, unless calls or answers of this connection wait. */
  #resume(): void {
    this.#serveNext();
    if (!this.#wire.paused || this.#pending.length > 0 || this.#wire.unwritten > this.#maxUnwritten) return;
    this.#wire.resume();
    if (!this.#parser.idle) this.#quiet.heard();
  }

  #note(frame: Frame | OversizeFrame): Noted {
    const { streamId } = frame;
    const held = roomOf(frame);
    const request = readRequest(frame);
    const index = this.#wire.index;
    if (index === undefined) return { streamId, place: undefined, request, held };
    const { journal } = this.#kept;
    if (!("code" in request)) {
      const place = journal.openCall(index, streamId, request.body, request.deadline, () => namesOf(request));
      return { streamId, place, request, held };
    }
    const place = journal.openCall(index, streamId, NO_BODY, 0);
    journal.keepAnswer(place, statusFrame(streamId, request));
    return { streamId, place, request, held };
  }

  /** Returns the handler of a call, or the status that refuses it, with the codes and texts of the Rust server. */
  #admit(streamId: number, { service, method }: CallRequest): Handler | RpcStatus {
    if (this.#calls.has(streamId)) {
      return status("invalid-argument", `stream id ${streamId} is in use by an open call`);
    }
    const handler = this.#table.find(service, method);
    if (handler === "no-service") return status("invalid-argument", `${service} service does not exist`);
    if (handler === "no-method") return status("unimplemented", `/${service}/${method} is not implemented`);
    if (this.#closing) return status("unavailable", "the agent is shutting down");
    if (this.#running >= this.#maxCalls) {
      return status("resource-exhausted", `more than ${this.#maxCalls} calls at once on one connection`);
    }
    return handler;
  }

  #start(
    open: OpenCall,
    { place, held }: Pick<Noted, "place" | "held">,
    handler: Handler,
    metadata: ReadonlyMap<string, string>,
  ): void {
    const { streamId, service, method } = open;
    const { journal } = this.#kept;
    const call = new ServerCall({ service, method }, this.peer, metadata, place, journal);
    const timeoutMs = open.deadline === undefined ? Number.POSITIVE_INFINITY : open.deadline - Date.now();
    const wait = Math.max(Math.ceil(timeoutMs), 0);
    const timer = timeoutMs > MAX_TIMER_MS ? undefined : setTimeout(() => this.#expire(entry), wait);
    const entry: Entry = { open, call, timer, held };
    this.#calls.set(streamId, entry);
    this.#running++;
    journal.beginCall(place);
    const done = run(handler, open.payload, call);
    journal.beginCall(undefined);
    done.then(
      (answer) => this.#returned(entry, () => this.#answer(entry, answer)),
      (error: unknown) => this.#returned(entry, () => this.#fail(entry, toStatus(error), error)),
    );
  }

  #returned({ held }: Entry, answer: () => void): void {
    this.#running--;
    this.#room.give(held);
    callQueue.run(answer);
  }

  #answer(entry: Entry, answer: Uint8Array): void {
    const { call, open } = entry;
    const frame = okFrame(open.streamId, answer);
    if (typeof frame === "number") {
      this.#fail(entry, status("invalid-argument", `response of ${frame} bytes is over the limit of 4 MiB`));
    } else if (this.#remove(entry)) {
      call.report(0);
      this.#write(frame, call.place, !call.repeated, (written) => call.settle(written));
    } else {
      call.settle(false);
    }
  }

  /** Answers with an error; an answer of the handler is dropped. */
  #fail(entry: Entry, answer: RpcStatus, error?: unknown): void {
    const { call, open } = entry;
    if (this.#remove(entry)) {
      call.report(answer.code, error);
      call.settle(false);
      this.#write(statusFrame(open.streamId, answer), call.place, true);
    }
    call.settle(false);
  }

  #expire(entry: Entry): void {
    const { service, method } = entry.open;
    const error = new AgentError("deadline-exceeded", `/${service}/${method} exceeded its caller's deadline`);
    this.#fail(entry, toStatus(error));
    entry.call.abort(error);
  }

  /** Removes a call; returns false if it was already answered. */
  #remove(entry: Entry): boolean {
    if (this.#calls.get(entry.open.streamId) !== entry) return false;
    this.#calls.delete(entry.open.streamId);
    clearTimeout(entry.timer);
    if (this.#isIdle) this.#idle?.();
    return true;
  }

  get #isIdle(): boolean {
    return this.#calls.size === 0 && this.#pending.length === 0;
  }

  #write(
    bytes: Uint8Array,
    place: number | undefined,
    keep: boolean,
    done: (written: boolean) => void = () => {},
  ): void {
    this.#wire.write({ bytes, place, keep, done });
    if (this.#wire.unwritten <= this.#maxUnwritten) return;
    this.#wire.pause();
    this.#wire.onDrained(() => this.#resume());
  }
}

const NO_BODY = new Uint8Array();

function openCall(streamId: number, { service, method, payload, deadline }: CallRequest): OpenCall {
  return { streamId, service, method, payload, ...(deadline === 0 ? {} : { deadline }) };
}

const roomOf = (frame: Frame | OversizeFrame): number => (frame.kind === "frame" ? frame.body.length : 0);

/** Runs a handler; a synchronous exception becomes a rejection. */
function run(handler: Handler, payload: Uint8Array, call: ServerCall): Promise<Uint8Array> {
  try {
    return handler(payload, call);
  } catch (error) {
    return Promise.reject(error);
  }
}
