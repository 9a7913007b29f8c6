import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { cachedDataVersionTag } from "node:v8";
import { expect, test } from "vitest";
import { isRoot } from "../../../lib/is-root.ts";
import { openDescriptors } from "../testing/open-descriptors.ts";
import { type NativeAddon, type NativePoll, nativeAddon } from "./native-addon.ts";

const addon = nativeAddon();
const bytes = new Uint8Array(8);
const ints = new Int32Array(80);
const region = new Uint8Array(65);

type Call = Exclude<keyof NativeAddon, "Poll" | "Pump">;

/** Valid arguments of each function. A first argument of 9999 is a descriptor that isn't open. */
const VALID: Record<Call, unknown[]> = {
  pipe: [ints, 0],
  setNonBlocking: [9999],
  dup: [9999],
  lock: [9999],
  locked: [9999],
  close: [9999],
  read: [9999, bytes],
  write: [9999, bytes],
  writeNoted: [9999, bytes, ints],
  readable: [9999],
  hungUp: [9999],
  resizePipe: [9999, 65536],
  splice: [9999, 9998, 1],
  spliceAt: [9999, 9998, 1, 0],
  tee: [9999, 9998, 1],
  sendFrames: [[9999, 9998, 9997, 9996], 1, 1, bytes],
  memoryFile: ["name", bytes],
  mapShared: [0, 4096],
  openat2: [9999, "name", 0, 0],
  openInside: [9999, "name", 0, 0],
  makeNode: [9999, "name", 0o10600, 0, 0],
  setXattr: [9999, "user.name", bytes],
  openName: [9999, bytes.fill(97), 0, 0],
  listXattrs: [9999, bytes],
  getXattr: [9999, "user.name", bytes],
  setTimes: [9999, new Uint8Array(32)],
  seek: [9999, 2 ** 40, 0],
  vsockSocket: [],
  unixSocket: [],
  socketPair: [ints, 0],
  bindVsock: [9999, 3, 1],
  connectVsock: [9999, 3, 1],
  bindUnix: [9999, "@name"],
  connectUnix: [9999, "@name"],
  socketIn: [9999, 2, 1],
  connectInet: [9999, "127.0.0.1", 1],
  bindInet: [9999, "::1", 1],
  inetPort: [9999],
  endWriting: [9999],
  resetOnClose: [9999],
  peek: [9999, bytes],
  attachFilter: [9999, bytes],
  bindPackets: [9999, "lo", 3, 4096],
  readPackets: [9999, region, 1, ints],
  packetCounts: [9999, ints],
  interfaceName: [9999, 1, new Uint8Array(16)],
  listen: [9999, 1],
  accept: [9999],
  endConnection: [9999],
  socketError: [9999],
  peerCid: [9999],
  peerPort: [9999],
  localPort: [9999],
  receive: [9999, region],
  send: [9999, region, 1],
  sendMessage: [9999, bytes, [1]],
  receiveMessage: [9999, bytes, ints],
  mount: ["source", "target", "type", 0, ""],
  umount: ["target", 0],
  detachedMount: ["type", [], 0],
  openTree: ["/", 0],
  idmapMount: [9999, 9998, 0],
  openTerminal: [9999],
  terminalPeer: [9999],
  terminalNumber: [9999],
  setWindowSize: [9999, 1, 1],
  unshare: [0],
  setns: [9999, 0],
  sethostname: ["name"],
  pidfdOpen: [1],
  pidfdSendSignal: [9999, 0],
  reserveWatch: [9999],
  changed: [9999],
  setDumpable: [1],
  collectGarbage: [],
  trimHeap: [],
  mapText: ["/"],
  interpretFor: [0],
  keepForGood: [bytes],
  refuseCalls: [new Uint8Array(0)],
  loadDeviceFilter: [bytes],
  attachDeviceFilter: [9999, 9999],
  replaceDeviceFilter: [9999, 9999, 9999],
  attachedDeviceFilter: [9999],
  setTime: [0, 0],
  creditEntropy: [9999, 0],
  reseedRandom: [9999],
  swapOn: ["name"],
  sync: [],
  growExt4: [9999, 1],
  growXfs: [9999, 1],
  deviceMapper: [0, new Uint8Array(312)],
  ueventSocket: [],
  receiveUevent: [9999, new Uint8Array(8)],
};
const CALLS = Object.keys(VALID) as Call[];

function call(name: Call, args: readonly unknown[]): unknown {
  return (addon[name] as (...args: readonly unknown[]) => unknown)(...args);
}

function wrongFor(value: unknown): unknown[] {
  const common = [undefined, null, {}, Symbol("s"), 1n, () => {}];
  if (typeof value === "number") {
    const beyond = value < 2 ** 33 ? 2 ** 33 : 2 ** 54;
    return [...common, "1", -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, beyond, []];
  }
  if (typeof value === "string") return [...common, 1, "nul\0inside", "x".repeat(5000), []];
  if (value instanceof Uint8Array)
    return [...common, 1, "text", new Int8Array(8), new ArrayBuffer(8), new DataView(new ArrayBuffer(8))];
  if (value instanceof Int32Array) return [...common, 1, new Uint32Array(80), new Int32Array(0), []];
  return [...common, 1, ["x"], [-1], [undefined], Array(65).fill(1)];
}

test("the table of arguments lists every function of the addon", () => {
  expect(
    Object.keys(addon)
      .filter((name) => name !== "Poll" && name !== "Pump")
      .sort(),
  ).toEqual([...CALLS].sort());
});

test.each(CALLS)("%s throws TypeError for a wrong type, a wrong range and a wrong number of arguments", (name) => {
  const before = openDescriptors();
  const valid = VALID[name];
  for (const [index, value] of valid.entries()) {
    for (const wrong of wrongFor(value)) {
      const args = valid.with(index, wrong);
      expect(() => call(name, args), `argument ${index} is ${String(wrong)}`).toThrow(TypeError);
    }
  }
  expect(() => call(name, [...valid, 0])).toThrow(TypeError);
  if (valid.length > 0) expect(() => call(name, valid.slice(1))).toThrow(TypeError);
  expect(openDescriptors()).toBe(before);
});

/** Functions whose first argument is a descriptor. */
const ON_DESCRIPTORS = CALLS.filter((name) => VALID[name][0] === 9999);
/** Functions for which the kernel checks privileges first. */
const FOR_ROOT = new Set<string>(["idmapMount", "attachedDeviceFilter"]);

test.each(ON_DESCRIPTORS)("%s returns -EBADF for a closed descriptor, or -EPERM", async (name) => {
  expect(await call(name, VALID[name])).toBe(FOR_ROOT.has(name) && !isRoot() ? -1 : -9);
});

test("a TypeError names the wrong argument", () => {
  expect(() => addon.setWindowSize(0, 65536, 1)).toThrow("rows must be an integer from 0 to 65535");
  expect(() => addon.openat2(0, "x", 0o100, 0)).toThrow("flags must be without O_CREAT and O_TMPFILE");
  expect(() => addon.bindUnix(0, "@")).toThrow("path must be a path or @ and a name");
  expect(() => addon.detachedMount("tmpfs", ["size"], 0)).toThrow("options must be an array of keys and values");
});

test.each([
  ["/nonexistent/sys.node", "load sys.node: not found at /nonexistent/sys.node; run"],
  ["/etc/passwd", "load /etc/passwd: "],
])("one line says why %s can't be loaded", (path, start) => {
  const url = join(import.meta.dirname, "native-addon.ts");
  const script = `import { nativeAddon } from ${JSON.stringify(url)};
    try { nativeAddon(); } catch (error) { process.stdout.write(error.message); }`;
  const env = { ...process.env, GUESTD_SYS_NODE: path };
  const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { env, encoding: "utf8" });
  expect(stdout.slice(0, start.length)).toBe(start);
  expect(stdout).not.toContain("\n");
});

test("mapText returns a file's text, and an errno for an empty file, a directory or a missing file", () => {
  const directory = mkdtempSync(join(tmpdir(), "guestd-map-text-"));
  const before = openDescriptors();
  const [file, empty] = [join(directory, "text"), join(directory, "empty")];
  const text = "function main() {}\n".repeat(1000);
  writeFileSync(file, text);
  writeFileSync(empty, "");
  try {
    expect(addon.mapText(file)).toBe(text);
    expect([empty, directory, `${file}x`].map((path) => addon.mapText(path))).toEqual([-27, -19, -2]);
  } finally {
    rmSync(directory, { recursive: true });
  }
  expect(openDescriptors()).toBe(before);
});

test("interpretFor changes V8's flags until that many rounds of events, and restores them as code caches need them", async () => {
  const before = cachedDataVersionTag();
  expect(addon.interpretFor(2)).toBe(-1);
  const within = cachedDataVersionTag();
  expect(within).not.toBe(before);
  const ends = new Int32Array(2);
  addon.pipe(ends, 0);
  const [read, write] = ends as unknown as [number, number];
  for (const tag of [within, before]) {
    addon.write(write, bytes);
    await new Promise<void>((ready) => {
      const poll: NativePoll = new addon.Poll(read, () => {
        addon.read(read, bytes);
        poll.close();
        ready();
      });
      poll.start(1);
    });
    await setImmediate();
    expect(cachedDataVersionTag()).toBe(tag);
  }
  addon.interpretFor(5);
  expect(addon.interpretFor(0)).toBe(5);
  for (const end of ends) addon.close(end);
  expect(cachedDataVersionTag()).toBe(before);
});
