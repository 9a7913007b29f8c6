import { constants, type ServerHttp2Stream } from "node:http2";
import { GrowingBody, type Room } from "../../proto/growing-body.ts";
import { MAX_BODY_BYTES } from "../../proto/ttrpc-frame.ts";
import { AgentError } from "../kernel/error.ts";
import { type RpcStatus, status } from "../service/status.ts";
import { QuietWatch } from "./quiet-watch.ts";

/** Size of gRPC's message prefix: a compression flag and a big-endian u32 length. */
export const PREFIX_BYTES = 5;

type Deliver = (bytes: Buffer) => void;

/**
 * A request being received. Reads the HTTP/2 stream in place of grpc-js, which would buffer without a bound, and passes the
 * message on once it is complete. Holds room for the headers, for the bytes received, and for 4 MiB until a compressed message
 * is inflated. Refuses a request that goes silent before its end.
 */
export class GrpcRequest {
  readonly #room: Room;
  readonly #deliver: Deliver;
  readonly #refuse: (status: RpcStatus) => void;
  readonly #quiet: QuietWatch;
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  #prefixBytes = 0;
  readonly #body: GrowingBody;
  #bodyBytes = 0;
  /** Room taken, without that of an incomplete body. */
  #held = 0;
  #state: "open" | "refused" | "served" = "open";

  /** `refuse` ends the call with a status; later content is dropped. */
  constructor(stream: ServerHttp2Stream, room: Room, quietMs: number, refuse: (status: RpcStatus) => void) {
    this.#room = room;
    this.#refuse = refuse;
    this.#body = new GrowingBody(room);
    this.#quiet = new QuietWatch(quietMs, () => {
      this.#end(status("deadline-exceeded", "the rest of the request didn't arrive in time"));
      stream.close(constants.NGHTTP2_NO_ERROR);
    });
    const [deliver, ...others] = stream.listeners("data");
    if (deliver === undefined || others.length > 0)
      throw new AgentError("internal", "gRPC: this grpc-js doesn't read by one data listener");
    this.#deliver = deliver as Deliver;
    stream.removeAllListeners("data");
    stream.on("data", (chunk: Buffer) => this.#take(chunk));
    // grpc-js doesn't report a call whose stream closes before the call begins.
    stream.once("close", () => this.drop());
  }

  /** Takes room for the headers; returns false if the request was refused. */
  begin(headerBytes: number): boolean {
    this.#quiet.heard();
    return this.#hold(headerBytes, (bytes) => this.#room.take(bytes));
  }

  /** Corrects the held room once grpc-js has inflated the message to `bytes`. */
  decoded(bytes: number): void {
    if (this.#prefix[0] === 0 || this.#state !== "open") return;
    this.#room.give(MAX_BODY_BYTES + this.#length - bytes);
    this.#held += bytes - MAX_BODY_BYTES - this.#length;
  }

  /** Marks a complete request as served. Returns the bytes of room that the caller must give back. */
  serve(): number {
    this.#quiet.stop();
    if (this.#state === "open") this.#state = "served";
    const held = this.#held;
    this.#held = 0;
    return held;
  }

  /** Drops the request and gives its room back. */
  drop(): void {
    this.#quiet.stop();
    if (this.#state === "open") this.#state = "refused";
    this.#body.drop();
    this.#room.give(this.#held);
    this.#held = 0;
  }

  get refused(): boolean {
    return this.#state === "refused";
  }

  get #length(): number {
    return this.#prefix.readUInt32BE(1);
  }

  #take(chunk: Buffer): void {
    if (this.#state !== "open") return;
    this.#quiet.heard();
    const start = chunk.copy(this.#prefix, this.#prefixBytes);
    this.#prefixBytes += start;
    if (this.#prefixBytes < PREFIX_BYTES) return;
    if (start > 0) this.#begun();
    if (start < chunk.length && !this.refused) this.#content(chunk.subarray(start));
  }

  /** Passes the prefix to grpc-js, which refuses a length over its limit. */
  #begun(): void {
    const inflated = this.#prefix[0] === 0 ? 0 : MAX_BODY_BYTES;
    if (!this.#hold(inflated, (bytes) => this.#room.takePiece(bytes))) return;
    this.#deliver(this.#prefix);
    if (this.#length > MAX_BODY_BYTES) this.drop();
  }

  #content(piece: Buffer): void {
    this.#bodyBytes += piece.length;
    if (this.#bodyBytes > this.#length) {
      this.#end(status("unimplemented", "the request has more than one message"));
    } else if (!this.#body.add(piece, this.#length)) this.#end(noRoom(this.#length));
    else if (this.#bodyBytes === this.#length) this.#whole();
  }

  #whole(): void {
    const bytes = this.#body.end();
    this.#held += bytes.length;
    this.#deliver(bytes);
    bytes.buffer.transfer(0); // frees the memory now: grpc-js has copied it
  }

  #hold(bytes: number, take: (bytes: number) => boolean): boolean {
    if (!take(bytes)) {
      this.#end(noRoom(bytes));
      return false;
    }
    this.#held += bytes;
    return true;
  }

  #end(why: RpcStatus): void {
    this.drop();
    this.#refuse(why);
  }
}

const noRoom = (bytes: number): RpcStatus =>
  status("resource-exhausted", `request of ${bytes} bytes: all memory for requests is in use`);
