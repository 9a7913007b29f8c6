import { FRAME_REQUEST, FrameParser } from "../../proto/ttrpc-frame.ts";
import { AgentError } from "../kernel/error.ts";
import type { Handler, ServiceTable } from "../service/dispatch.ts";
import { type RpcStatus, status } from "../service/status.ts";
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
import { type Noted, noteRequest, roomOf } from "./noted-request.ts";
import { QUIET_MS, QuietWatch } from "./quiet-watch.ts";
import { TtrpcCalls } from "./ttrpc-calls.ts";
import type { CallRequest } from "./ttrpc-request.ts";
import { statusFrame } from "./ttrpc-response.ts";
import type { Wire, WireReader } from "./wire.ts";

/** Queued calls above which reading stops. */
const MAX_PENDING = 256;

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
  readonly #calls: TtrpcCalls;
  /** Calls recorded in the journal that haven't started. */
  readonly #pending: Noted[] = [];
  #scheduled = false;
  readonly #end: () => void;
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
    this.#calls = new TtrpcCalls({
      peer: peer.name,
      journal: kept.journal,
      room,
      write: (bytes, place, keep, done) => this.#write(bytes, place, keep, done),
      ended: () => {
        if (this.#isIdle) this.#idle?.();
      },
    });
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
    return [...this.#calls.open(), ...pending];
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
      if (frame.type === FRAME_REQUEST && known?.has(frame.streamId) !== true) {
        noted.push(noteRequest(this.#kept.journal, this.#wire.index, frame));
      } else this.#room.give(roomOf(frame));
    }
    if (this.#parser.idle) this.#quiet.stop();
    else this.#quiet.heard();
    this.#kept.journal.noted(this.#wire.index, bytes, this.#parser.unended);
    for (const it of noted) this.serve(it);
    if (this.#pending.length > MAX_PENDING) this.#wire.pause();
  }

  onClosed(): void {
    const { index } = this.#wire;
    const pending = this.#pending.splice(0);
    const open = this.#calls.abort(new AgentError("canceled", `the connection from ${this.peer} was closed`));
    this.#idle?.();
    this.#parser.release();
    this.#quiet.stop();
    for (const { held } of pending) this.#room.give(held);
    if (index !== undefined) {
      for (const place of [...open, ...pending.map(({ place }) => place)]) this.#kept.journal.closeCall(index, place);
      this.#kept.drop(index);
    }
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
    this.#calls.start(openCall(streamId, call), { place, held }, admitted, call.metadata);
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

  /** Returns the handler of a call, or the status that refuses it, with the codes and texts of the Rust server. */
  #admit(streamId: number, { service, method }: CallRequest): Handler | RpcStatus {
    if (this.#calls.has(streamId)) {
      return status("invalid-argument", `stream id ${streamId} is in use by an open call`);
    }
    const handler = this.#table.find(service, method);
    if (handler === "no-service") return status("invalid-argument", `${service} service does not exist`);
    if (handler === "no-method") return status("unimplemented", `/${service}/${method} is not implemented`);
    if (this.#closing) return status("unavailable", "the agent is shutting down");
    if (this.#calls.running >= this.#maxCalls) {
      return status("resource-exhausted", `more than ${this.#maxCalls} calls at once on one connection`);
    }
    return handler;
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

function openCall(streamId: number, { service, method, payload, deadline }: CallRequest): OpenCall {
  return { streamId, service, method, payload, ...(deadline === 0 ? {} : { deadline }) };
}
