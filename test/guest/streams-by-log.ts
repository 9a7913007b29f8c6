import { dial } from "../../host/client/dial.ts";
import type { Guest } from "../../host/machine/guest.ts";
import { type OpenStream, passedSocket } from "../scenarios/passed-socket.ts";

const LIMIT_MS = 10_000;

/**
 * Streams for stdio to a guest with `agent.log=debug`. The agent's log tells which port each has on our side, for not every
 * VMM says it in its answer to CONNECT; so they are opened one after the other.
 */
export function streamsByLog(guest: () => Guest): OpenStream {
  const known = new Set<string>();
  let turn: Promise<unknown> = Promise.resolve();
  return () => {
    const opened = turn.then(() => openOne(guest(), known));
    turn = opened.catch(() => undefined);
    return opened;
  };
}

/** `known` gets its port: those that were there before are in it. */
async function openOne(guest: Guest, known: Set<string>) {
  const socket = await dial(guest.address(1027));
  const log = await dial(guest.address(1025));
  const limit = setTimeout(() => log.destroy(), LIMIT_MS);
  let text = "";
  try {
    for await (const data of log) {
      text += String(data);
      const ports = Array.from(
        text.matchAll(/"port":(\d+),"msg":"stream for stdio came in"/g),
        ([, port = ""]) => port,
      );
      const port = ports.find((it) => !known.has(it));
      if (port === undefined) continue;
      known.add(port);
      return await passedSocket(Number(port), async () => socket);
    }
  } finally {
    clearTimeout(limit);
    log.destroy();
  }
  throw new Error("the agent's log tells of no stream");
}
