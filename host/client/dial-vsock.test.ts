import { execFileSync } from "node:child_process";
import { closeSync, existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { dialVsock, type VsockCalls } from "./dial-vsock.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const addon = `${root}build/native/sys.node`;
const EINPROGRESS = -115;
const signal = new AbortController().signal;
let real: VsockCalls & { write(fd: number, data: Uint8Array): number };

beforeAll(() => {
  if (!existsSync(addon)) execFileSync(process.execPath, [`${root}agent/native/build.ts`]);
  real = createRequire(import.meta.url)(addon);
});

/** The addon with unix sockets in place of vsock, which this machine may not have: `other` gets the peer's descriptor. */
function overUnix(parts: Partial<VsockCalls>, other: (fd: number) => void = closeSync): VsockCalls {
  return {
    ...Object.fromEntries(["socketPair", "close", "Poll", "socketError"].map((name) => [name, real[name as "close"]])),
    vsockSocket() {
      const pair = new Int32Array(2);
      real.socketPair(pair, 0);
      other(pair[1] ?? -1);
      return pair[0] ?? -1;
    },
    connectVsock: () => EINPROGRESS,
    ...parts,
  } as VsockCalls;
}

/** Sockets among this process's descriptors. */
function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

test("a connection that takes its time becomes a stream", async () => {
  const calls = overUnix({}, (fd) => {
    real.write(fd, Buffer.from("from the guest"));
    closeSync(fd);
  });
  expect(await text(await dialVsock(3, 1024, signal, calls))).toBe("from the guest");
});

test("the address is handed on, and what is written arrives", async () => {
  let peer = -1;
  const asked: number[] = [];
  const calls = overUnix({ connectVsock: (_fd, cid, port) => asked.push(cid, port) * 0 }, (fd) => (peer = fd));
  const stream = await dialVsock(42, 1025, signal, calls);
  expect(asked).toEqual([42, 1025]);
  await new Promise((resolve) => stream.write("hello", resolve));
  const { readSync } = await import("node:fs");
  const bytes = Buffer.alloc(16);
  expect(bytes.toString("latin1", 0, readSync(peer, bytes))).toBe("hello");
  stream.destroy();
  closeSync(peer);
});

test("a refusal names the call and the error, and leaves no descriptor", async () => {
  const before = descriptors();
  await expect(dialVsock(3, 1, signal, overUnix({ connectVsock: () => -19 }))).rejects.toThrow("connect: ENODEV");
  await expect(dialVsock(3, 1, signal, overUnix({ socketError: () => -104 }))).rejects.toThrow("connect: ECONNRESET");
  await expect(dialVsock(3, 1, signal, overUnix({ vsockSocket: () => -97 }))).rejects.toThrow("socket: EAFNOSUPPORT");
  expect(descriptors()).toBe(before);
});

test("the signal ends the wait for a peer that says nothing", async () => {
  const never = class {
    start = () => 0;
    close = () => 0;
  };
  const before = descriptors();
  const calls = overUnix({ Poll: never });
  await expect(dialVsock(3, 1, AbortSignal.abort(new Error("enough")), calls)).rejects.toThrow("enough");
  const stop = new AbortController();
  const dialling = dialVsock(3, 1, stop.signal, calls);
  stop.abort(new Error("enough now"));
  await expect(dialling).rejects.toThrow("enough now");
  expect(descriptors()).toBe(before);
});
