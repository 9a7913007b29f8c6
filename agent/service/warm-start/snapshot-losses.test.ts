import { expect, test } from "vitest";
import { type ClientUse, snapshotLosses } from "./snapshot-losses.ts";

const NOTHING: ClientUse = { connections: [], streams: [], forwards: 0 };
const losses = (mounts: string, use: Partial<ClientUse> = {}) =>
  snapshotLosses({ mounts: () => mounts }, { ...NOTHING, ...use }).map(({ kind, object }) => `${kind} ${object}`);

function connection(peer: string, ...methods: string[]) {
  const calls = methods.map((method) => ({ method }));
  return { peer, protocol: "ttrpc", isResumed: false, openCalls: () => calls, destroy: () => undefined };
}

test("lists shares of the host and writable file systems on disks, and nothing in memory or read-only", () => {
  const mounts = [
    "/dev/pmem0p1 / erofs ro,relatime 0 0",
    "tmpfs /run tmpfs rw 0 0",
    "kataShared /run/kata-containers/shared/containers virtiofs rw,relatime 0 0",
    "/dev/vda /run/kata-containers/sandbox/storage/a ext4 rw,relatime 0 0",
    "/dev/vdb /run/kata-containers/sandbox/storage/b ext4 ro,relatime 0 0",
    "overlay /run/kata-containers/x/rootfs overlay rw 0 0",
  ];
  expect(losses(mounts.join("\n"))).toEqual([
    "share /run/kata-containers/shared/containers",
    "block-device /run/kata-containers/sandbox/storage/a",
  ]);
});

test("lists what clients use, but not the connection that quiesces the guest", () => {
  const streams = [
    { kind: "attach" as const, object: "web x1" },
    { kind: "copy" as const, object: "web" },
    { kind: "capture" as const, object: "web" },
    { kind: "forwardListen" as const, object: "web" },
    { kind: undefined, object: "a client" },
  ];
  const connections = [connection("vsock:2", "Quiesce", "GetOOMEvent"), connection("unix", "WaitProcess")];
  expect(losses("", { streams, connections, forwards: 2 })).toEqual([
    "connection unix ttrpc",
    ...["connection web x1", "copy web", "capture web", "forward web", "connection a client"],
    ...["call GetOOMEvent of vsock:2", "call WaitProcess of unix"],
    "forward 2 forwarded connections",
  ]);
});

test("lists 256 losses, and the number of the others", () => {
  const connections = Array.from({ length: 300 }, (_, index) => connection(`unix${index}`));
  const all = losses("", { connections });
  expect(all).toHaveLength(257);
  expect(all.at(-1)).toBe("connection 44 more");
});
