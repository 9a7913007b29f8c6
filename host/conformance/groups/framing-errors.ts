import { FRAME_RESPONSE, MAX_BODY_BYTES } from "../../../proto/ttrpc-frame.ts";
import type { ConformanceCase, Level } from "../case.ts";
import { equal, holds, matches } from "../check.ts";
import { checkFrame, exchange, frame, requestBody } from "../raw-frames.ts";

export const FRAMING = "ttRPC, framing errors of ttrpc-rust";

/** Returns a case in which frames get an error on their stream, and the connection survives. */
function answered(
  name: string,
  level: Level,
  bytes: () => Uint8Array,
  streamId: number,
  codes: readonly string[],
  text = /./,
): ConformanceCase {
  return {
    ...{ name, level, source: FRAMING, needs: ["ttrpc"] },
    run: async (context) => {
      const first = await exchange(context, bytes());
      equal(first.streamId, streamId, "the stream of the answer");
      equal(first.type, FRAME_RESPONSE, "the type of the answer");
      holds(codes.includes(first.code), `the code is ${codes.join(" or ")}`, { code: first.code, text: first.text });
      matches(first.text, text, "the text");
    },
  };
}

/** Cases of frames that are answered with an error. */
export const framingErrors: readonly ConformanceCase[] = [
  answered(
    "Check: an even stream id is answered with INVALID_ARGUMENT",
    "should",
    () => checkFrame(2),
    2,
    ["invalid-argument"],
    /odd/i,
  ),
  answered(
    "Check: an unknown service is answered with an error",
    "should",
    () => frame(1, requestBody("grpc.Nope", "X")),
    1,
    ["invalid-argument", "unimplemented", "not-found"],
  ),
  answered(
    "Check: an unknown method is answered with UNIMPLEMENTED",
    "must",
    () => frame(1, requestBody("grpc.AgentService", "ConformanceNope")),
    1,
    ["unimplemented"],
  ),
  answered(
    "StartContainer: a payload that is no message is answered with an error",
    "must",
    () => frame(1, requestBody("grpc.AgentService", "StartContainer", Uint8Array.of(0x0a, 0xff, 0x01))),
    1,
    ["unknown", "invalid-argument", "internal"],
  ),
  answered(
    "Check: a request envelope that is no message is answered with an error",
    "should",
    () => frame(1, Buffer.of(255, 255)),
    1,
    ["invalid-argument", "unknown", "internal"],
  ),
  answered(
    "Check: a request over 4 MiB is answered with an error, and the connection survives",
    "must",
    () => frame(1, Buffer.alloc(MAX_BODY_BYTES + 1)),
    1,
    ["invalid-argument", "resource-exhausted"],
  ),
];
