import { ttrpc } from "../../../proto/gen/messages.js";
import { FRAME_REQUEST, FRAME_RESPONSE, type Frame, FrameParser } from "../../../proto/ttrpc-frame.ts";
import type { Direction } from "../format/conversation.ts";
import type { CallEntries } from "./call-entries.ts";

/** Reads both directions of a connection, and records them. Never throws. */
export interface WireReader {
  push(direction: Direction, chunk: Buffer): void;
  /** Called when a direction has ended. */
  end(direction: Direction): void;
}

/** Records the frames of a ttRPC connection. */
export function ttrpcEntries(entries: CallEntries): WireReader {
  const parsers = { request: new FrameParser(), response: new FrameParser() };
  return {
    push(direction, chunk) {
      for (const frame of parsers[direction].push(chunk)) {
        if (frame.kind === "frame") record(entries, direction, frame);
        else entries.lost(direction, "a frame of over 4 MiB", frame.length, frame.streamId);
      }
    },
    end(direction) {
      const { idle, unended } = parsers[direction];
      if (!idle) entries.lost(direction, "the direction ended within a frame", unended);
    },
  };
}

function record(entries: CallEntries, direction: Direction, { streamId, type, flags, body }: Frame): void {
  const wire = { stream: streamId, type, flags, bytes: body };
  if (type !== (direction === "request" ? FRAME_REQUEST : FRAME_RESPONSE)) {
    entries.raw(direction, `a frame of type ${type}`, wire);
    return;
  }
  try {
    if (direction === "request") entries.request(wire, requestOf(body));
    else entries.response(wire, responseOf(body));
  } catch (error) {
    entries.raw(direction, (error as Error).message, wire);
  }
}

function requestOf(body: Buffer) {
  const { service, method, payload, timeout_nano, metadata } = ttrpc.Request.decode(body);
  const timeoutMs = Math.ceil(timeout_nano / 1e6);
  return {
    service,
    method,
    payload,
    timeoutMs,
    metadata: Object.fromEntries(metadata.map(({ key, value }) => [key, value])),
  };
}

function responseOf(body: Buffer) {
  const { status, payload } = ttrpc.Response.decode(body);
  const error = status === null || status.code === 0 ? undefined : { code: status.code, text: status.message };
  return { error, payload };
}
