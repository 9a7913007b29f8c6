import { codec } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { encodeStreamFrame, frameTypes, STREAM } from "../../../proto/stream-frame.ts";
import { many } from "../../transport/testing/http2-frames.ts";
import type { Dice } from "./dice.ts";

const attach = codec("guestd.v1.Attach", guestd.v1.Attach);

/** Returns the bytes of a random client of guestd.v1.Streams: frames of all kinds, in any order. */
export function streamsConversation(dice: Dice): Buffer {
  return many(Math.ceil(dice.random() ** 2 * 12), () => {
    const type = dice.chance(0.3) ? "attach" : dice.pick([frameTypes[0] ?? "attach", ...frameTypes.slice(1)]);
    const payload = type === "attach" && dice.chance(0.7) ? attach.encode(request(dice)) : dice.bytes(dice.below(60));
    const stream = dice.chance(0.8) ? STREAM.process : dice.below(5);
    const frame = encodeStreamFrame(
      type,
      stream,
      dice.pick([0, dice.below(2 ** 40)]),
      dice.chance(0.6) ? payload : undefined,
    );
    if (dice.chance(0.1)) frame.writeUInt8(dice.below(256), dice.below(frame.length));
    return frame;
  });
}

function request(dice: Dice): Parameters<typeof attach.encode>[0] {
  const container = dice.pick(["box", "none", ""]);
  const exec = dice.pick(["", "e", String(dice.below(1000))]);
  const process = dice.chance(0.5) ? { process: { Args: ["/bin/true"], Cwd: "/", Env: [] } } : {};
  return { version: 1, client: String(dice.below(3)), container_id: container, exec_id: exec, ...process };
}
