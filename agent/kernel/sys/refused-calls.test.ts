import { expect, test } from "vitest";
import type { DescriptorPoller } from "./descriptor-poller.ts";
import type { NativeAddon } from "./native-addon.ts";
import { descriptorCalls, descriptorSocketCalls, messageCalls } from "./sys-descriptors.ts";
import { deviceFilterCalls } from "./sys-device-filters.ts";
import { guestCalls } from "./sys-guest.ts";
import { mountCalls, terminalCalls } from "./sys-mounts.ts";
import { packetCalls } from "./sys-packets.ts";
import { processCalls } from "./sys-processes.ts";
import { socketCalls } from "./sys-sockets.ts";

type Args = readonly unknown[];

/** An addon whose calls all give `result`; `calls` gets their arguments. */
function answering(result: unknown, calls: Args[] = []): NativeAddon {
  const call = (...args: Args) => {
    calls.push(args);
    return result;
  };
  return new Proxy({} as NativeAddon, { get: () => call });
}

function allCalls(addon: NativeAddon) {
  const poller = { forget: () => undefined } as unknown as DescriptorPoller;
  return {
    ...{ ...descriptorCalls(addon, poller), ...descriptorSocketCalls(addon, poller), ...messageCalls(addon) },
    ...deviceFilterCalls(addon),
    ...socketCalls(addon, poller),
    ...packetCalls(addon),
    ...{ ...guestCalls(addon), ...mountCalls(addon), ...terminalCalls(addon), ...processCalls(addon) },
  };
}

const BYTES = new Uint8Array(3);
type Calls = ReturnType<typeof allCalls>;

test.each<[string, (calls: Calls) => unknown]>([
  ["settimeofday 7 s", (calls) => calls.setTime(7, 8)],
  ["ioctl RNDADDTOENTCNT fd 9", (calls) => calls.creditEntropy(9, 64)],
  ["ioctl RNDRESEEDCRNG fd 9", (calls) => calls.reseedRandom(9)],
  ["swapon /swap", (calls) => calls.swapOn("/swap")],
  ["grow ext4 to 5 blocks", (calls) => calls.growFileSystem(9, "ext4", 5)],
  ["grow xfs to 5 blocks", (calls) => calls.growFileSystem(9, "xfs", 5)],
  ["mount tmpfs source on /target", (calls) => calls.mount("source", "/target", "tmpfs", 1, "")],
  ["mount source on /target", (calls) => calls.mount("source", "/target", "", 1, "")],
  ["umount /target", (calls) => calls.umount("/target", 2)],
  ["bind /tree", (calls) => calls.openTree("/tree", true)],
  ["idmap mount of /tree", (calls) => calls.idmapMount(8, 9, true, "/tree")],
  ["open terminal in fd 9", (calls) => calls.openTerminal(9)],
  ["ioctl TIOCGPTPEER fd 9", (calls) => calls.terminalPeer(9)],
  ["ioctl TIOCGPTN fd 9", (calls) => calls.terminalNumber(9)],
  ["ioctl TIOCSWINSZ fd 9", (calls) => calls.setWindowSize(9, 24, 80)],
  ["unshare 0x20000", (calls) => calls.unshare(0x20000)],
  ["setns fd 9", (calls) => calls.setns(9, 0)],
  ["sethostname web", (calls) => calls.sethostname("web")],
  ["send signal 15 to pidfd 9", (calls) => calls.signal(9, 15)],
  ["pidfd_open pid 77", (calls) => calls.pidfdOpen(77)],
  ["prctl PR_SET_DUMPABLE", (calls) => calls.setDumpable(false)],
  ["seccomp filter for this process", (calls) => calls.refuseCalls(BYTES)],
  ["pipe", (calls) => calls.pipe()],
  ["set non-blocking fd 9", (calls) => calls.setNonBlocking(9)],
  ["dup fd 9", (calls) => calls.dup(9)],
  ["flock fd 9", (calls) => calls.lock(9)],
  ["close fd 9", (calls) => calls.close(9)],
  ["read fd 9", (calls) => calls.read(9, BYTES)],
  ["write fd 9", (calls) => calls.write(9, BYTES)],
  ["write fd 9", (calls) => calls.writeNoted(9, BYTES, new Int32Array(1))],
  ["recvmmsg fd 9", (calls) => calls.receive(9, BYTES)],
  ["sendmmsg fd 9", (calls) => calls.send(9, BYTES, 3)],
  ["poll fd 9", (calls) => calls.hungUp(9)],
  ["fcntl F_SETPIPE_SZ fd 9", (calls) => calls.resizePipe(9, 4096)],
  ["splice fd 8 to fd 9", (calls) => calls.splice(8, 9, 3)],
  ["splice fd 8 to fd 9", (calls) => calls.spliceAt(8, 9, 3, 5)],
  ["tee fd 8 to fd 9", (calls) => calls.tee(8, 9, 3)],
  ["send frames fd 8 to fd 9", (calls) => calls.sendFrames(8, { read: 6, write: 7 }, 9, 3, 3, BYTES)],
  ["ioctl FIONREAD fd 9", (calls) => calls.readable(9)],
  ["poll fd 9", (calls) => calls.changed(9)],
  ["openat2 a/b in fd 9", (calls) => calls.openat2(9, "a/b", 0, 0)],
  ["open a/b", (calls) => calls.openInside(9, "a/b", 0, 0)],
  ["mknod null in fd 9", (calls) => calls.makeNode(9, "null", 0o20666, 1, 3)],
  ["setxattr user.a of fd 9", (calls) => calls.setXattr(9, "user.a", BYTES)],
  ["memfd plan of 3 bytes", (calls) => calls.memoryFile("plan", BYTES)],
  ["getpeername fd 9", (calls) => calls.peerPort(9)],
  ["mmap fd 9", (calls) => calls.mapShared(9, 4096)],
  ["socket @name", (calls) => calls.listenUnix("@name")],
  ["inet6 socket in namespace fd 9", (calls) => calls.socketIn(9, "inet6", "stream")],
  ["connect to ::1 port 80", (calls) => calls.connectInet(9, "::1", 80, new AbortController().signal)],
  ["connect to /in.sock", (calls) => calls.connectUnix(9, "/proc/self/fd/8", "/in.sock")],
  ["bind ::1 port 80", (calls) => calls.bindInet(9, "::1", 80)],
  ["getsockname fd 9", (calls) => calls.inetPort(9)],
  ["listen on fd 9", (calls) => calls.listen(9, 64)],
  ["accept on fd 9", (calls) => calls.accept(9)],
  ["attach filter fd 9", (calls) => calls.attachFilter(9, BYTES)],
  ["receive packets of interface lo", (calls) => calls.bindPackets(9, "lo", 3, 4096)],
  ["receive packets of all interfaces", (calls) => calls.bindPackets(9, "", 3, 4096)],
  ["count packets fd 9", (calls) => calls.packetCounts(9)],
  ["get the name of interface 2", (calls) => calls.interfaceName(9, 2)],
  ["recv fd 9", (calls) => calls.peek(9, BYTES)],
  ["socketpair", (calls) => calls.socketPair("stream")],
  ["sendmsg fd 9 with 3 bytes and 2 descriptors", (calls) => calls.sendMessage(9, BYTES, [1, 2])],
  ["recvmsg fd 9", (calls) => calls.receiveMessage(9, BYTES)],
  ["load device filter of 2 instructions", (calls) => calls.loadDeviceFilter(new Uint8Array(16))],
  ["attach device filter to fd 9", (calls) => calls.attachDeviceFilter(9, 8)],
  ["replace device filter of fd 9", (calls) => calls.replaceDeviceFilter(9, 8, 7)],
  ["find the device filter of fd 9", (calls) => calls.attachedDeviceFilter(9)],
])("a refused call names itself and its object: %s", async (text, call) => {
  await expect(async () => call(allCalls(answering(-1)))).rejects.toThrow(new RegExp(`^${text} ?: EPERM`));
});

test.each([
  [0, "fsopen"],
  [1, "fsconfig"],
  [2, "fsconfig create"],
  [3, "fsmount"],
  [4, "fsopen"],
])("a detached mount names the step that failed and says what the kernel did (%i)", (step, name) => {
  const calls = allCalls(answering([-22, step, "tmpfs: Bad value"]));
  expect(() => calls.detachedMount("tmpfs", [["size", "x"], ["ro"]], 0)).toThrow(
    `${name} tmpfs: EINVAL (tmpfs: Bad value)`,
  );
});

test("errors that users can do something about say what", () => {
  expect(() => allCalls(answering(-22)).idmapMount(8, 9, false, "/a")).toThrow(
    "idmap mount of /a: EINVAL (this kernel has no idmapped mounts for its file system, or it is already idmapped)",
  );
  expect(() => allCalls(answering(-19)).openTerminal(9)).toThrow("not a devpts directory");
  expect(() => allCalls(answering(5)).refuseCalls(BYTES)).toThrow(/thread 5 has its own filter/);
  expect(() => allCalls(answering(0)).killGroup(1)).toThrow("killGroup: 1 ");
});

test("a call that would wait gives -1, false or undefined instead of an error", () => {
  const calls = allCalls(answering(-11));
  const results = [calls.read(9, BYTES), calls.write(9, BYTES), calls.receive(9, BYTES), calls.send(9, BYTES, 1)];
  results.push(calls.splice(8, 9, 1), calls.tee(8, 9, 1), calls.sendFrames(8, { read: 6, write: 7 }, 9, 1, 1, BYTES));
  expect(results).toEqual([-1, -1, -1, -1, -1, -1, -1]);
  expect([calls.lock(9), calls.sendMessage(9, BYTES), calls.receiveMessage(9, BYTES)]).toEqual([
    false,
    false,
    undefined,
  ]);
});

test("a cgroup has a device filter, or none", () => {
  expect(allCalls(answering(7)).attachedDeviceFilter(9)).toBe(7);
  expect(allCalls(answering(-2)).attachedDeviceFilter(9)).toBeUndefined();
});

test("flags reach the addon as numbers", async () => {
  const made: Args[] = [];
  const calls = allCalls(answering(0, made));
  await calls.openTree("/a", true);
  await calls.openTree("/a", false);
  calls.idmapMount(8, 9, true, "/a");
  calls.setDumpable(true);
  calls.setDumpable(false);
  calls.openat2(9, "a", 0o1, 8);
  calls.openat2(9, "a", 0o10000000, 8);
  expect(made).toEqual([["/a", 1], ["/a", 0], [8, 9, 1], [1], [0], [9, "a", 0o4001, 8], [9, "a", 0o10000000, 8]]);
});
