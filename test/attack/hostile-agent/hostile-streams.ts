import type { Socket } from "node:net";
import {
  encodeStreamFrame,
  type FrameType,
  kindOf,
  MAX_PAYLOAD_BYTES,
  STREAM,
  StreamFrameParser,
} from "../../../proto/stream-frame.ts";
import { type Manner, worstMessage } from "./worst-message.ts";

/** Answers to a client's first frame: once, then without end. */
const ANSWERS: Partial<Record<FrameType, readonly [once: readonly FrameType[], endless: readonly FrameType[]]>> = {
  attach: [["hello"], ["time", "data"]],
  copy: [["copyReady"], ["copyData"]],
  forward: [["forwarded"], []],
  forwardJoin: [["forwarded"], []],
  forwardListen: [["forwardListening"], ["forwardWaiting"]],
  events: [["eventsStart"], ["event"]],
  watch: [[], ["watchUpdate"]],
  capture: [
    ["captureStarted", "captureInterface"],
    ["captureInterface", "packets"],
  ],
  core: [["coreStart"], ["coreData"]],
};

const MESSAGES: Partial<Record<FrameType, string>> = {
  ...{ hello: "Hello", gap: "Gap", exit: "Exit", error: "Failure", time: "Time", stdinUnsure: "Gap" },
  ...{ copyReady: "CopyReady", copyEnd: "CopyEnd", forwardRefused: "ForwardRefusal" },
  ...{ eventsStart: "EventsStart", event: "Event", eventsGap: "Gap", watchUpdate: "WatchUpdate" },
  ...{ captureStarted: "CaptureStarted", captureInterface: "CaptureInterface", captureEnd: "CaptureEnd" },
  coreStart: "CoreStart",
};

export type StreamManner = Manner | "half" | "silent" | "errors";

/** Returns how messages are filled in a manner of answering. */
export function mannerOf(manner: StreamManner): Manner {
  if (manner === "errors") return "names";
  return manner === "half" || manner === "silent" ? "plausible" : manner;
}

/** Answers a connection of guestd.v1.Streams in one manner, without end, as fast as it is read. */
export function answerStreams(socket: Socket, manner: StreamManner): void {
  const parser = new StreamFrameParser("client");
  socket.once("data", (chunk: Buffer) => {
    const [first] = parser.push(chunk);
    const answers = first && ANSWERS[first.type];
    if (answers === undefined || manner === "silent") return;
    const [once, endless] = manner === "errors" ? [["error"] as const, [] as const] : answers;
    const frames = once.map((type) => frameOf(type, 0, manner));
    if (manner === "half") return void socket.write(Buffer.concat(frames).subarray(0, 20));
    if (frames.length > 0) socket.write(Buffer.concat(frames));
    if (endless.length > 0) flood(socket, endless, manner);
  });
  socket.on("data", () => undefined);
}

function flood(socket: Socket, types: readonly FrameType[], manner: StreamManner): void {
  // The plausible value of every number is 2: that of the first byte, and of the first event.
  let offset = types.includes("data") || types.includes("event") ? 2 : 0;
  const payloads = new Map(types.map((type) => [type, payloadOf(type, manner)] as const));
  const send = () => {
    while (!socket.destroyed) {
      const frames = types.map((type) => {
        const payload = payloads.get(type) ?? Buffer.alloc(0);
        const frame = encodeStreamFrame(type, streamOf(type), type === "time" ? 0 : offset, payload);
        if (type !== "time") offset += type === "event" ? 1 : payload.length;
        return frame;
      });
      if (!socket.write(Buffer.concat(frames))) return;
    }
  };
  socket.on("drain", send);
  send();
}

const frameOf = (type: FrameType, offset: number, manner: StreamManner) =>
  encodeStreamFrame(type, streamOf(type), offset, payloadOf(type, manner));

const streamOf = (type: FrameType) => (kindOf(type).streams.includes(STREAM.process) ? STREAM.process : STREAM.stdout);

function payloadOf(type: FrameType, manner: StreamManner): Uint8Array {
  const message = MESSAGES[type];
  if (message !== undefined) return worstMessage(`guestd.v1.${message}`, mannerOf(manner), MAX_PAYLOAD_BYTES);
  return kindOf(type).payload ? Buffer.alloc(MAX_PAYLOAD_BYTES, "x\n") : Buffer.alloc(0);
}
