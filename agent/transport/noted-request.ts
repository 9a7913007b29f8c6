import type { Frame, OversizeFrame } from "../../proto/ttrpc-frame.ts";
import type { CallJournal } from "../kernel/journal/call-journal.ts";
import type { RpcStatus } from "../service/status.ts";
import { type CallRequest, namesOf, readRequest } from "./ttrpc-request.ts";
import { statusFrame } from "./ttrpc-response.ts";

const NO_BODY = new Uint8Array();

/** A request that was recorded in the journal, or the status that refuses it. */
export interface Noted {
  readonly streamId: number;
  readonly place: number | undefined;
  readonly request: CallRequest | RpcStatus;
  /** Bytes of room held. */
  readonly held: number;
}

/** Reads a request and records it; `index` is the connection's place in the journal, if it has one. */
export function noteRequest(journal: CallJournal, index: number | undefined, frame: Frame | OversizeFrame): Noted {
  const { streamId } = frame;
  const held = roomOf(frame);
  const request = readRequest(frame);
  if (index === undefined) return { streamId, place: undefined, request, held };
  if (!("code" in request)) {
    const place = journal.openCall(index, streamId, request.body, request.deadline, () => namesOf(request));
    return { streamId, place, request, held };
  }
  const place = journal.openCall(index, streamId, NO_BODY, 0);
  journal.keepAnswer(place, statusFrame(streamId, request));
  return { streamId, place, request, held };
}

/** Returns the bytes of room that a frame's body holds. */
export function roomOf(frame: Frame | OversizeFrame): number {
  return frame.kind === "frame" ? frame.body.length : 0;
}
