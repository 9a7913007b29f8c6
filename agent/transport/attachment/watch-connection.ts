import { STREAM, type StreamFrame } from "../../../proto/stream-frame.ts";
import { AgentError } from "../../kernel/error.ts";
import type { Watching } from "../../service/streams/watching.ts";
import type { ConnectionKinds } from "./attachment-connection.ts";

/** Connections that watch the guest; `load` returns the part of the agent that serves them. */
export function watchKinds(load: () => Promise<Watching>): ConnectionKinds {
  return {
    async watch({ frames, payload }) {
      const send = (number: number, part: Uint8Array) => frames.send("watchUpdate", STREAM.process, number, part);
      const watching = await load();
      const close = watching.open(payload, { send });
      const take = ({ type, offset }: StreamFrame) => {
        if (type !== "ping") throw new AgentError("invalid-argument", `frame ${type}: it may not follow the first one`);
        frames.push("pong", STREAM.process, offset);
      };
      const request = Uint8Array.from(payload); // the frame is a view of what was read with it
      return { take, close, checkAgain: () => watching.checkPolicy(request) };
    },
  };
}
