import { AgentError } from "../../../../agent/kernel/error.ts";
import type { Fd } from "../../../../agent/kernel/kernel.ts";
import type { ServiceTable } from "../../../../agent/service/dispatch.ts";
import { BodyRoom } from "../../../../agent/transport/body-room.ts";
import { RpcServer } from "../../../../agent/transport/rpc-server.ts";
import type { WireSys } from "../../../../agent/transport/wire.ts";
import { answer } from "../../../transport/testing/answer.ts";
import { type FuzzTarget, promise } from "../target.ts";
import { journalSeeds, leaveJournal } from "./left-journal.ts";

const ROOM = 1 << 20;
/** Deposits that init kept: connections by number, and one other. */
const DEPOSITS: ReadonlyMap<string, Fd> = new Map([
  ["conn:1", 1001],
  ["conn:3", 1003],
  ["conn:x", 1009],
  ["passfd:5:1", 1005],
]);
const table: ServiceTable = {
  find: (service) => (service === "" ? "no-service" : async (payload) => answer(payload)),
  mayRepeat: (_service, method) => method.length % 2 === 0,
  mayGoOn: (_service, method) => method.length % 3 === 0,
  *list() {},
};

export const resumptions: FuzzTarget = {
  name: "resumptions",
  promise:
    "whatever an earlier agent left in the journal, each of its connections is resumed or closed once, and no memory budget leaks",
  seeds: journalSeeds,
  async run(input) {
    const { calls } = leaveJournal(input);
    const closed: Fd[] = [];
    const sys: WireSys = {
      read: () => -1,
      write: (_, from) => from.length,
      receive: () => -1,
      send: (_fd, _region, length) => length,
      poll: async () => undefined,
      close: (fd) => void closed.push(fd),
      setNonBlocking: () => undefined,
      endConnection: () => undefined,
      watch: () => () => undefined,
    };
    const room = new BodyRoom(ROOM, () => undefined);
    const init = { deposit: () => undefined, withdraw: () => undefined };
    const server = new RpcServer({ sys, init, journal: calls, loadGrpc: unloaded }, table, { room });
    server.resume(DEPOSITS, Promise.resolve());
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
    server.destroy();
    for (let turn = 0; turn < 50 && room.left !== ROOM; turn++) await new Promise(setImmediate);
    promise(closed.toSorted().join() === "1001,1003,1009", `each descriptor is closed once: ${closed.join()}`);
    promise(room.left === ROOM, `${ROOM - room.left} bytes of the memory budget are not released`);
  },
};

function unloaded(): never {
  throw new AgentError("internal", "a resumed connection speaks ttRPC");
}
