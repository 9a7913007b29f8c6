import { constants, type ServerHttp2Stream } from "node:http2";
import { GrowingBody, type Room } from "../../proto/growing-body.ts";
import { MAX_BODY_BYTES } from "../../proto/ttrpc-frame.ts";
import { AgentError } from "../kernel/error.ts";
import { type RpcStatus, status } from "../service/status.ts";
import { QuietWatch } from "./quiet-watch.ts";

/** What gRPC puts before a message: whether it is compressed, u32 big endian length. */
export const PREFIX_BYTES = 5;

type Deliver = (bytes: Buffer) => void;

/**
 * A request on its way: the content of an HTTP/2 stream before grpc-js gets it, which would keep it without a bound. grpc-js is
 * given the message when it is whole. Room is held for the headers, for what has come, and for 4 MiB while it is compressed.
 * One that goes silent before its end is refused.
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
  /** Room taken, but for that of the body as long as it is not whole. */
  #held = 0;
  #state: "open" | "refused" | "served" = "open";

  /** `refuse` ends the call with a status. Content is dropped from then on. */
  constructor(stream: ServerHttp2Stream, room: Room, quietMs: number, refuse: (status: RpcStatus) => void) {
    this.#room = room;
    this.#refuse = refuse;
    this.#body = new GrowingBody(room);
    this.#quiet = new QuietWatch(quietMs, () => {
      this.#end(status("deadline-exceeded", "the rest of the request does not come"));
      stream.close(constants.NGHTTP2_NO_ERROR);
    });
    const [deliver, ...others] = stream.listeners("data");
    if (deliver === undefined || others.length > 0)
      throw new AgentError("internal", "gRPC: grpc-js reads in another way");
    this.#deliver = deliver as Deliver;
    stream.removeAllListeners("data");
    stream.on("data", (chunk: Buffer) => this.#take(chunk));
    // grpc-js tells nothing of a call whose stream is gone before it begins.
    stream.once("close", () => this.drop());
  }

  /** Takes room for the headers. False: refused. */
  begin(headerBytes: number): boolean {
    this.#quiet.heard();
    return this.#hold(headerBytes, (bytes) => this.#room.take(bytes));
  }

  /** The message as grpc-js decoded it. */
  decoded(bytes: number): void {
    if (this.#prefix[0] === 0 || this.#state !== "open") return;
    this.#room.give(MAX_BODY_BYTES + this.#length - bytes);
    this.#held += bytes - MAX_BODY_BYTES - this.#length;
  }

  /** It is whole, and its caller gives its room back: so many bytes. */
  serve(): number {
    this.#quiet.stop();
    if (this.#state === "open") this.#state = "served";
    const held = this.#held;
    this.#held = 0;
    return held;
  }

  /** Nobody waits for it any more. */
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
    if (start < chunk.length) this.#content(chunk.subarray(start));
  }

  /** grpc-js gets the prefix, which it may find too long. */
  #begun(): void {
    const inflated = this.#prefix[0] === 0 ? 0 : MAX_BODY_BYTES;
    if (!this.#hold(inflated, (bytes) => this.#room.takePiece(bytes))) return;
    this.#deliver(this.#prefix);
    if (this.#length > MAX_BODY_BYTES) this.drop();
  }

  #content(piece: Buffer): void {
    this.#bodyBytes += piece.length;
    if (this.#bodyBytes > this.#length) {
      this.#end(status("unimplemented", "a request of more than one message"));
    } else if (!this.#body.add(piece, this.#length)) this.#end(noRoom(this.#length));
    else if (this.#bodyBytes === this.#length) this.#whole();
  }

  #whole(): void {
    const bytes = this.#body.end();
    this.#held += bytes.length;
    this.#deliver(bytes);
    bytes.buffer.transfer(0); // grpc-js has copied it
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
  status("resource-exhausted", `request of ${bytes} bytes: others take all memory that is for requests`);
