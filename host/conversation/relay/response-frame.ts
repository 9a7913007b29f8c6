import { ttrpc } from "../../../proto/gen/messages.js";
import { encodeHeader, FRAME_RESPONSE } from "../../../proto/ttrpc-frame.ts";

/** Returns a whole ttRPC frame with a response message, or with an error. */
export function responseFrame(
  stream: number,
  content: { readonly payload: Uint8Array } | { readonly code: number; readonly text: string },
): Buffer {
  const body = ttrpc.Response.encode(
    "payload" in content ? content : { status: { code: content.code, message: content.text } },
  ).finish();
  return Buffer.concat([encodeHeader(body.length, { streamId: stream, type: FRAME_RESPONSE, flags: 0 }), body]);
}
