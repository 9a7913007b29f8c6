import { randomInt } from "node:crypto";
import type { Duplex } from "node:stream";
import { VSOCK_ANY } from "../../agent/kernel/sys/listeners.ts";
import { nativeAddon } from "../../agent/kernel/sys/native-addon.ts";
import { connectVsock } from "../../agent/kernel/sys/streams.ts";
import { checked } from "../../agent/kernel/sys/sys-result.ts";
import { parseAddress } from "../../host/client/address.ts";
import { dial } from "../../host/client/dial.ts";
import type { Guest } from "../../host/machine/guest.ts";
import { type OpenStream, passedSocket } from "../scenarios/passed-socket.ts";
import { openAgentLog } from "./agent-log.ts";

/** Ports that other connections may take before a stream comes that was told before. */
const AHEAD = 16;

/**
 * Streams for stdio to a guest with `agent.log=debug`. The agent's log tells which port each has on our side, for not every
 * VMM says it in its answer to CONNECT; so they are opened one after the other. A VMM gives ports in a row: a stream that is
 * to come later gets one some way ahead, and comes when it is that one's turn. Of the kernel a port can be asked for.
 */
export function streamsByLog(guest: () => Guest): OpenStream {
  const known = new Set<number>();
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = turn.then(work);
    turn = done.catch(() => undefined);
    return done;
  };
  return (options) =>
    inTurn(async () => {
      if (options?.later === true && parseAddress(guest().address(1027)).kind === "vsock") {
        const own = randomInt(1024, 2 ** 31);
        known.add(own);
        return passedSocket(own, () => dialFrom(guest(), own), options);
      }
      const { port, socket } = await openOne(guest(), known);
      if (options?.later !== true) return passedSocket(port, async () => socket);
      socket.destroy();
      const own = port + AHEAD;
      return passedSocket(own, () => inTurn(() => openAs(guest(), known, own)), options);
    });
}

/** Over the vsock of this machine's kernel. */
function dialFrom(guest: Guest, own: number): Promise<Duplex> {
  const addon = nativeAddon();
  const vsockSocket = () => {
    const fd = checked(addon.vsockSocket(), "socket", "vsock");
    checked(addon.bindVsock(fd, VSOCK_ANY, own), "bind", `vsock port ${own}`);
    return fd;
  };
  const bound = Object.create(addon, { vsockSocket: { value: vsockSocket } });
  return dial(guest.address(1027), {
    dialVsock: (cid, port, signal) => connectVsock({ cid, port }, signal, bound),
  });
}

async function openOne(guest: Guest, known: Set<number>): Promise<{ port: number; socket: Duplex }> {
  const socket = await dial(guest.address(1027));
  await using log = await openAgentLog(guest);
  return { port: await log.find((line) => newPort(line, known)), socket };
}

async function openAs(guest: Guest, known: Set<number>, own: number): Promise<Duplex> {
  await using log = await openAgentLog(guest);
  for (let tries = 0; tries <= AHEAD; tries++) {
    const socket = await dial(guest.address(1027));
    if ((await log.find((line) => newPort(line, known))) === own) return socket;
    socket.destroy();
  }
  throw new Error(`no stream has got port ${own}`);
}

/** The port of a stream that came in, unless it is known, which it is from then on. */
function newPort(line: string, known: Set<number>): number | undefined {
  const [, port] = /"port":(\d+),"msg":"stream for stdio came in"/.exec(line) ?? [];
  if (port === undefined || known.has(Number(port))) return undefined;
  known.add(Number(port));
  return Number(port);
}
