import { expect, test } from "vitest";
import type { NativeAddon } from "./native-addon.ts";
import { packetCalls } from "./sys-packets.ts";

/** Calls with this result; those that count put `counts` into the array that they get. */
function answering(result: number, counts: readonly [number, number] = [0, 0]) {
  const calls: unknown[][] = [];
  const call = (...args: unknown[]) => {
    calls.push(args);
    const last = args.at(-1);
    if (last instanceof Int32Array) last.set(counts);
    return result;
  };
  return { ...packetCalls(new Proxy({} as NativeAddon, { get: () => call })), calls };
}
const EAGAIN = 11;
const ENODEV = 19;
const ENETDOWN = 100;

test("packets are received from one interface or all, and an error names which", () => {
  const { bindPackets, attachFilter, calls } = answering(0);
  bindPackets(7, "eth0", 3, 65_536);
  attachFilter(7, Buffer.of(1));
  expect(calls).toEqual([
    [7, "eth0", 3, 65_536],
    [7, Buffer.of(1)],
  ]);
  const failing = answering(-ENODEV);
  expect(() => failing.bindPackets(7, "eth0", 3, 1)).toThrow("receive packets of interface eth0: ENODEV");
  expect(() => failing.bindPackets(7, "", 3, 1)).toThrow("receive packets of all interfaces: ENODEV");
  expect(() => failing.attachFilter(7, Buffer.of())).toThrow("attach filter fd 7: ENODEV");
});

test("a read returns its packets, and the error after them, if it wasn't just the last one", () => {
  const into = Buffer.alloc(9);
  const { readPackets, calls } = answering(0, [9, 2]);
  expect(readPackets(7, into, 96)).toEqual({ bytes: 9, packets: 2, error: undefined });
  expect(calls[0]?.slice(0, 3)).toEqual([7, into, 96]);
  expect(answering(-EAGAIN, [5, 1]).readPackets(7, into, 96)).toEqual({ bytes: 5, packets: 1, error: undefined });
  const { bytes, error } = answering(-ENETDOWN, [5, 1]).readPackets(7, into, 96);
  expect([bytes, error?.code, error?.message]).toEqual([
    5,
    "ENETDOWN",
    expect.stringContaining("receive packets fd 7"),
  ]);
});

test("counts have 32 bits without a sign", () => {
  expect(answering(0, [-1, 3]).packetCounts(7)).toEqual({ received: 2 ** 32 - 1, dropped: 3 });
  expect(answering(0, [3, -2]).packetCounts(7)).toEqual({ received: 3, dropped: 2 ** 32 - 2 });
  expect(() => answering(-ENODEV).packetCounts(7)).toThrow("count packets fd 7: ENODEV");
});
