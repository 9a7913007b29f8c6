import { ttrpc } from "../../../proto/gen/messages.js";
import { encodeHeader } from "../../../proto/ttrpc-frame.ts";
import { many } from "../../transport/testing/http2-frames.ts";
import type { Dice } from "./dice.ts";

/** Returns the bytes of a random ttRPC client: requests, some of them with a broken header or body. */
export function ttrpcConversation(dice: Dice): Buffer {
  return many(Math.ceil(dice.random() ** 2 * 30), (index) => {
    const [service, method] = dice.pick<readonly [string, string]>([
      ["grpc.Health", "Check"],
      ["grpc.AgentService", "GetMetrics"],
      ["grpc.AgentService", "GetOOMEvent"],
      ["grpc.AgentService", "WaitProcess"],
      ["a", "b"],
    ]);
    const payload = dice.chance(0.7) ? Buffer.alloc(0) : dice.bytes(dice.below(60));
    const body = dice.chance(0.95)
      ? ttrpc.Request.encode({ service, method, payload }).finish()
      : dice.bytes(dice.below(200));
    const length = dice.chance(0.98) ? body.length : dice.below(2 ** 32);
    const type = dice.chance(0.97) ? 1 : dice.below(256);
    const streamId = dice.chance(0.95) ? 2 * index + 1 : dice.below(10);
    return Buffer.concat([
      encodeHeader(length, { streamId, type, flags: dice.chance(0.95) ? 0 : dice.below(256) }),
      body,
    ]);
  });
}
