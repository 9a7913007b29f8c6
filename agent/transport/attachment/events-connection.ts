import { STREAM, type StreamFrame } from "../../../proto/stream-frame.ts";
import { AgentError } from "../../kernel/error.ts";
import type { Events } from "../../service/streams/events.ts";
import type { ConnectionKinds } from "./attachment-connection.ts";
import type { FrameStream } from "./frame-stream.ts";

/** Connections that read events; `load` returns the part of the agent that keeps them. */
export function eventsKinds(load: () => Promise<Events>): ConnectionKinds {
  return {
    async events({ frames, payload }) {
      const events = await load();
      const { start, next } = events.open(payload);
      frames.push("eventsStart", STREAM.process, 0, start);
      send(frames, next).catch(() => frames.destroy());
      const take = ({ type, offset }: StreamFrame) => {
        if (type !== "ping") throw new AgentError("invalid-argument", `frame ${type}: it may not follow the first one`);
        frames.push("pong", STREAM.process, offset);
      };
      const request = Uint8Array.from(payload); // the frame is a view of what was read with it
      return { take, close: () => undefined, checkAgain: () => events.checkPolicy(request) };
    },
  };
}

/** Sends events as fast as the client reads them: the next one is read once there is room for it. */
async function send(frames: FrameStream, next: ReturnType<Events["open"]>["next"]): Promise<void> {
  for (;;) {
    const event = await next(frames.signal);
    if (event.kind === "end") {
      frames.push("eventsEnd", STREAM.process, event.number);
      return frames.end();
    }
    const type = event.kind === "gap" ? "eventsGap" : "event";
    await frames.send(type, STREAM.process, event.number, event.payload);
  }
}
