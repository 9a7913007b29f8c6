import { expect, test } from "vitest";
import { DescriptorPoller } from "./descriptor-poller.ts";
import type { NativeAddon } from "./native-addon.ts";
import { descriptorCalls } from "./sys-descriptors.ts";

const EAGAIN = -11;
const EIO = -5;
const EPERM = -1;
const O_PATH = 0o10000000;
const O_NONBLOCK = 0o4000;
const bytes = new Uint8Array(3);
const note = new Int32Array(1);

/** The calls on an addon of which each function returns `result` unless `parts` has it, and what it was called with. */
function calling(result: number, parts: Partial<NativeAddon> = {}) {
  const asked: unknown[][] = [];
  const get = (_: object, name: string) =>
    parts[name as keyof NativeAddon] ??
    ((...args: unknown[]) => {
      asked.push([name, ...args]);
      return result;
    });
  const addon = new Proxy({}, { get }) as unknown as NativeAddon;
  return { asked, calls: descriptorCalls(addon, new DescriptorPoller(addon)) };
}
type Calls = ReturnType<typeof calling>["calls"];

test.each<[string, (calls: Calls) => unknown]>([
  ["pipe", (calls) => calls.pipe()],
  ["set non-blocking fd 7", (calls) => calls.setNonBlocking(7)],
  ["dup fd 7", (calls) => calls.dup(7)],
  ["flock fd 7", (calls) => calls.lock(7)],
  ["close fd 7", (calls) => calls.close(7)],
  ["read fd 7", (calls) => calls.read(7, bytes)],
  ["write fd 7", (calls) => calls.write(7, bytes)],
  ["write fd 7", (calls) => calls.writeNoted(7, bytes, note)],
  ["recvmmsg fd 7", (calls) => calls.receive(7, bytes)],
  ["sendmmsg fd 7", (calls) => calls.send(7, bytes, 3)],
  ["splice fd 7 to fd 8", (calls) => calls.splice(7, 8, 9)],
  ["ioctl FIONREAD fd 7", (calls) => calls.readable(7)],
  ["poll fd 7", (calls) => calls.changed(7)],
  ["openat2 a/b in fd 7", (calls) => calls.openat2(7, "a/b", 0, 0)],
  ["open a/b", (calls) => calls.openInside(7, "a/b", 0, 0)],
  ["mknod x in fd 7", (calls) => calls.makeNode(7, "x", 0, 1, 2)],
  ["setxattr user.x of fd 7", (calls) => calls.setXattr(7, "user.x", bytes)],
  ["memfd plan of 3 bytes", (calls) => calls.memoryFile("plan", bytes)],
  ["getpeername fd 7", (calls) => calls.peerPort(7)],
  ["mmap fd 7", (calls) => calls.mapShared(7, 9)],
])("a failure is reported as %s with the errno", async (text, call) => {
  await expect(async () => call(calling(EPERM).calls)).rejects.toThrow(`${text}: EPERM (operation not permitted)`);
});

test("a call that would block returns -1, and a lock that another file holds is not taken", () => {
  const { calls } = calling(EAGAIN);
  expect([calls.read(7, bytes), calls.write(7, bytes), calls.receive(7, bytes)]).toEqual([-1, -1, -1]);
  expect([calls.send(7, bytes, 3), calls.splice(7, 8, 9), calls.writeNoted(7, bytes, note)]).toEqual([-1, -1, -1]);
  expect([calls.lock(7), calling(0).calls.lock(7)]).toEqual([false, true]);
});

test("an I/O error is the end of file of a terminal, and of nothing else", () => {
  expect(calling(EIO, { terminalNumber: () => 0 }).calls.read(7, bytes)).toBe(0);
  expect(() => calling(EIO, { terminalNumber: () => -25 }).calls.read(7, bytes)).toThrow("read fd 7: EIO");
});

test("a file is opened so that it can't block, unless it is only named", async () => {
  const { asked, calls } = calling(8);
  calls.openat2(7, "a", 1, 2);
  calls.openat2(7, "a", O_PATH, 2);
  await calls.openInside(7, "a", 1, 2);
  await calls.openInside(7, "a", O_PATH, 2);
  expect(asked.map(([, , , flags, resolve]) => [flags, resolve])).toEqual([
    [1 | O_NONBLOCK, 2],
    [O_PATH, 2],
    [1 | O_NONBLOCK, 2],
    [O_PATH, 2],
  ]);
});

test("a procfs file has changed if the kernel says so", () => {
  expect([calling(0).calls.changed(7), calling(1).calls.changed(7)]).toEqual([false, true]);
});

test("results are passed on", () => {
  const memory = new ArrayBuffer(8);
  expect(calling(0, { mapShared: () => memory }).calls.mapShared(7, 8)).toBe(memory);
  const { asked, calls } = calling(5);
  expect([calls.dup(7), calls.read(7, bytes), calls.write(7, bytes), calls.peerPort(7)]).toEqual([5, 5, 5, 5]);
  expect([calls.receive(7, bytes), calls.send(7, bytes, 3), calls.splice(7, 8, 9)]).toEqual([5, 5, 5]);
  calls.endConnection(7);
  expect(asked.at(-1)).toEqual(["endConnection", 7]);
});
