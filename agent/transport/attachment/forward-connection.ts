import { encodeStreamFrame, STREAM } from "../../../proto/stream-frame.ts";
import type { Fd } from "../../kernel/kernel.ts";
import type { Forwarding } from "../../service/streams/forwarding.ts";
import type { WireSys } from "../wire.ts";
import type { ConnectionKind, ConnectionKinds } from "./attachment-connection.ts";

/** Connections that forward; `load` returns the part of the agent that does, loaded at the first of them. */
export function forwardKinds(sys: WireSys, load: () => Promise<Forwarding>): ConnectionKinds {
  const answer = (fd: Fd) => sys.write(fd, encodeStreamFrame("forwarded", STREAM.process, 0));

  /** Reports a refusal by its type; other errors are the connection's. */
  const refusing =
    (
      serve: (forwarding: Forwarding, ...parts: Parameters<ConnectionKind>) => ReturnType<ConnectionKind>,
    ): ConnectionKind =>
    async (frames, first) => {
      const forwarding = await load();
      try {
        return await serve(forwarding, frames, first);
      } catch (error) {
        const refusal = forwarding.refusal(error);
        if (refusal === undefined) throw error;
        frames.push("forwardRefused", STREAM.process, 0, refusal);
        frames.end();
        return undefined;
      }
    };

  return {
    forward: refusing(async (forwarding, frames, { payload }) => {
      const connected = await forwarding.connect(payload);
      let client: Fd;
      try {
        client = frames.release();
      } catch (error) {
        sys.close(connected.target);
        throw error;
      }
      if (connected.kind === "udp") forwarding.startFlow(client, connected.target);
      else forwarding.forwards.open(connected.id, client, connected.target);
      answer(client);
    }),
    forwardJoin: refusing(async (forwarding, frames, { payload }) => {
      const id = forwarding.joined(payload);
      const download = frames.release();
      forwarding.forwards.join(id, download, () => answer(download));
    }),
    forwardListen: refusing(async (forwarding, frames, { payload }) => {
      const onWaiting = () => void frames.push("forwardWaiting", STREAM.process, 0);
      const client = await forwarding.listen(payload, onWaiting, () => frames.destroy());
      frames.signal.addEventListener("abort", () => client.leave(), { once: true });
      if (frames.signal.aborted) client.leave();
      else frames.push("forwardListening", STREAM.process, client.port);
      return ({ type }) => {
        if (type !== "forwardEnd") return false;
        client.end();
        return true;
      };
    }),
    ports: refusing(async (forwarding, frames, { payload }) => {
      frames.push("portList", STREAM.process, 0, forwarding.listPorts(payload));
      frames.end();
    }),
  };
}
