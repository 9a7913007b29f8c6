import { randomInt } from "node:crypto";
import type { Duplex } from "node:stream";
import { VSOCK_ANY } from "../../../agent/kernel/sys/listeners.ts";
import { nativeAddon } from "../../../agent/kernel/sys/native-addon.ts";
import { connectVsock } from "../../../agent/kernel/sys/streams.ts";
import { checked } from "../../../agent/kernel/sys/sys-result.ts";
import { parseAddress } from "../../../host/client/address.ts";
import { dial } from "../../../host/client/dial.ts";
import type { Guest } from "../../../host/vm/guest.ts";
import { type OpenStream, passedSocket } from "../../scenarios/passed-socket.ts";
import { openAgentLog } from "./agent-log.ts";

/** Ports that other connections may take before an announced stream connects. */
const AHEAD = 16;

/**
 * Returns a function that opens streams for stdio to a guest with `agent.log=debug`. The agent's log reports the port
 * of each on our side, because not every VMM returns it from CONNECT, so they are opened one after the other. A VMM
 * assigns ports in sequence: a stream that connects later announces a port some way ahead, and connects when that port
 * is next. On the kernel's vsock a port can be chosen.
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

/** Connects over this machine's kernel vsock. */
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
  throw new Error(`no stream got port ${own}`);
}

/** Returns the port of a new stream, and adds it to the known ones. */
function newPort(line: string, known: Set<number>): number | undefined {
  const [, port] = /"port":(\d+),"msg":"the host connected a stream for stdio"/.exec(line) ?? [];
  if (port === undefined || known.has(Number(port))) return undefined;
  known.add(Number(port));
  return Number(port);
}
