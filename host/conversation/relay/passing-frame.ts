import type { Lanes, PassingFrame } from "./frame-passage.ts";
import type { PassingMessage } from "./passing-message.ts";
import { responseFrame } from "./response-frame.ts";

/** Returns a ttRPC frame as a message. */
export function passingFrame({ conn, direction, stream, method, bytes }: PassingFrame, lanes: Lanes): PassingMessage {
  const lane = lanes[direction];
  return {
    conn,
    direction,
    stream,
    method,
    pass: () => lane.frame(bytes),
    passLater: (ms) => lane.later(bytes, ms),
    async passTwice() {
      await lane.frame(bytes);
      await lane.frame(bytes);
    },
    async cut(count) {
      await lane.piece(bytes.subarray(0, count), false);
      lanes.close(direction);
    },
    fail: (code, text) => lanes.response.frame(responseFrame(stream, { code, text })),
  };
}
