import { encodeStreamFrame, STREAM, type StreamFrame } from "../../../proto/stream-frame.ts";
import { AgentError } from "../../kernel/error.ts";
import type { Fd } from "../../kernel/kernel.ts";
import type { Forwarding } from "../../service/streams/forwarding.ts";
import type { WireSys } from "../wire.ts";
import type { ConnectionKinds, Handler, Opening } from "./attachment-connection.ts";

/** Connections that forward; `load` returns the part of the agent that does, loaded at the first of them. */
export function forwardKinds(sys: WireSys, load: () => Promise<Forwarding>): ConnectionKinds {
  const answer = encodeStreamFrame("forwarded", STREAM.process, 0);

  /** Reports a refusal by its type; other errors are the connection's. */
  const refusing =
    (
      serve: (forwarding: Forwarding, opening: Opening) => Promise<Handler | undefined>,
    ): ((opening: Opening) => Promise<Handler | undefined>) =>
    async (opening) => {
      const { frames } = opening;
      const forwarding = await load();
      try {
        return await serve(forwarding, opening);
      } catch (error) {
        const refusal = forwarding.refusal(error);
        if (refusal === undefined) throw error;
        frames.push("forwardRefused", STREAM.process, 0, refusal);
        frames.end();
        return undefined;
      }
    };

  return {
    forward: refusing(async (forwarding, { frames, payload }) => {
      const connected = await forwarding.connect(payload);
      let client: Fd | undefined;
      try {
        client = frames.release();
        if (sys.write(client, answer) < 0) throw new AgentError("unavailable", "forward: the client takes no answer");
      } catch (error) {
        for (const fd of [client, connected.target]) if (fd !== undefined) sys.close(fd);
        throw error;
      }
      const { target, checkAgain } = connected;
      if (connected.kind === "udp") forwarding.startFlow(client, target, checkAgain);
      else forwarding.forwards.open(connected.id, client, target, checkAgain, connected.acceptedOf);
      return undefined;
    }),
    forwardJoin: refusing(async (forwarding, { frames, payload }) => {
      const id = forwarding.joined(payload);
      forwarding.forwards.join(id, frames.release(), answer);
      return undefined;
    }),
    forwardListen: refusing(async (forwarding, { frames, payload }) => {
      const onWaiting = () => void frames.push("forwardWaiting", STREAM.process, 0);
      const client = await forwarding.listen(payload, onWaiting, () => frames.destroy());
      let isDenied = false; // then the listener doesn't wait for the client's return
      frames.onClose(() => (isDenied ? client.end() : client.leave()));
      frames.push("forwardListening", STREAM.process, client.port);
      const take = ({ type, offset }: StreamFrame) => {
        if (type === "ping") frames.push("pong", STREAM.process, offset);
        else if (type === "forwardEnd") client.end();
        else throw new AgentError("invalid-argument", `frame ${type}: it may not follow the first one`);
      };
      const request = Uint8Array.from(payload); // the frame is a view of what was read with it
      const checkAgain = () => {
        try {
          forwarding.checkListen(request);
        } catch (error) {
          isDenied = true;
          throw error;
        }
      };
      return { take, checkAgain, close: () => undefined };
    }),
  };
}
