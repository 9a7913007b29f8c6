import { ttrpc } from "../../../proto/gen/messages.js";
import { FRAME_REQUEST, FRAME_RESPONSE, HEADER_BYTES } from "../../../proto/ttrpc-frame.ts";
import type { Direction } from "../format/conversation.ts";
import { FrameSplitter } from "./frame-splitter.ts";
import { Lane } from "./lane.ts";
import type { Passage, RelayedConnection } from "./relay.ts";

/** A frame that hasn't ended after this time is passed on as far as it has arrived. */
export const STALLED_MS = 100;
/** Most open calls of a connection that are remembered. */
const MAX_OPEN = 1 << 16;

/** A request or response on its way. */
export interface PassingFrame {
  readonly conn: number;
  readonly direction: Direction;
  readonly stream: number;
  /** Method of the call, such as "ReadStdout"; empty if the frame is none of a call. */
  readonly method: string;
  /** Header and body. */
  readonly bytes: Buffer;
}

/** The two directions of a connection, to send frames in. */
export interface Lanes {
  readonly request: Lane;
  readonly response: Lane;
  /** Closes the connection once what was sent in a direction is delivered. Delayed frames are dropped. */
  close(direction: Direction): void;
}

export interface FramePassageOptions {
  /** Passes a frame on in its lane, changes it, or does something else. The direction's next frame waits for it. */
  onFrame(frame: PassingFrame, lanes: Lanes): Promise<void>;
}

/** Passes a ttRPC connection on frame by frame. Incomplete and oversized frames are passed on as they are. */
export function framePassage(connection: RelayedConnection, options: FramePassageOptions): Passage {
  const lanes: Lanes = {
    request: new Lane((bytes) => connection.write("request", bytes)),
    response: new Lane((bytes) => connection.write("response", bytes)),
    close(direction) {
      lanes.request.drop();
      lanes.response.drop();
      connection.close(direction);
    },
  };
  const splitters = { request: new FrameSplitter(), response: new FrameSplitter() };
  const stalled: { [Key in Direction]?: NodeJS.Timeout } = {};
  const open = new Map<number, string>();

  const flush = async (direction: Direction) => {
    for (const { bytes, last } of splitters[direction].flush()) await lanes[direction].piece(bytes, last);
  };
  return {
    async receive(direction, chunk) {
      clearTimeout(stalled[direction]);
      for (const { kind, bytes, last } of splitters[direction].push(chunk)) {
        if (kind === "frame") await options.onFrame(describe(connection.id, direction, bytes, open), lanes);
        else await lanes[direction].piece(bytes, last);
      }
      if (splitters[direction].holds) stalled[direction] = setTimeout(() => void flush(direction), STALLED_MS);
    },
    async end(direction) {
      clearTimeout(stalled[direction]);
      await flush(direction);
      await lanes[direction].idle();
    },
    closed() {
      clearTimeout(stalled.request);
      clearTimeout(stalled.response);
      lanes.request.drop();
      lanes.response.drop();
    },
  };
}

/** Reads a frame's header and method. `open` has the methods of open calls by their streams. */
function describe(conn: number, direction: Direction, bytes: Buffer, open: Map<number, string>): PassingFrame {
  const stream = bytes.readUInt32BE(4);
  const type = bytes.readUInt8(8);
  let method = "";
  if (direction === "request" && type === FRAME_REQUEST) {
    method = methodOf(bytes.subarray(HEADER_BYTES));
    open.set(stream, method);
    const oldest = open.keys().next();
    if (open.size > MAX_OPEN && oldest.done === false) open.delete(oldest.value);
  } else if (direction === "response" && type === FRAME_RESPONSE) {
    method = open.get(stream) ?? "";
    open.delete(stream);
  }
  return { conn, direction, stream, method, bytes };
}

function methodOf(body: Buffer): string {
  try {
    return ttrpc.Request.decode(body).method;
  } catch {
    return "";
  }
}
