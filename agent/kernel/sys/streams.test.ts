import { createHash } from "node:crypto";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { leavesNoDescriptors } from "../testing/leaves-no-descriptors.ts";
import {
  adoptListener,
  adoptVsockListener,
  type ConnectionListener,
  listenUnix,
  listenVsock,
  VSOCK_ANY,
} from "./listeners.ts";
import { nativeAddon } from "./native-addon.ts";
import { adoptStream, checkStreams, connectVsock, fdOf, pipeConstructorOf } from "./streams.ts";
import { openSys } from "./sys.ts";

const sys = openSys();
const addon = nativeAddon();
let name = "";
let serial = 0;

leavesNoDescriptors();
beforeEach(() => {
  checkStreams();
  name = `guestd-streams-${process.pid}-${serial++}`;
});
afterEach(async () => {
  // libuv closes descriptors at the end of a turn.
});

function connect(path: string): net.Socket {
  return net.connect({ path: path.replace(/^@/, "\0"), allowHalfOpen: true });
}

async function collect(socket: net.Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const hash = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");

function accepted(listen: (onConnection: ConnectionListener) => { close(): Promise<void> }) {
  const { promise, resolve } = Promise.withResolvers<net.Socket>();
  return { listener: listen((fd) => resolve(adoptStream(fd))), socket: promise };
}

test("2 MiB pass both ways, and each side ends its half separately", async () => {
  const { listener, socket } = accepted((on) => listenUnix(`@${name}`, on));
  const client = connect(`@${name}`);
  const server = await socket;
  const up = Buffer.alloc(2 << 20, "up and ");
  const down = Buffer.alloc(2 << 20, "down again ");
  client.end(up);
  expect(hash(await collect(server))).toBe(hash(up));
  server.end(down);
  expect(hash(await collect(client))).toBe(hash(down));
  await listener.close();
});

test("a slow reader holds the writer back", async () => {
  const [ours, theirs] = sys.socketPair("stream");
  const writer = adoptStream(ours);
  expect(writer.write(Buffer.alloc(8 << 20))).toBe(false);
  await turn();
  expect(writer.writableNeedDrain).toBe(true);
  const reader = adoptStream(theirs);
  const ended = collect(reader);
  await once(writer, "drain");
  writer.end();
  expect((await ended).length).toBe(8 << 20);
  reader.end();
});

test("a socket whose peer is gone reports an error when it is written to", async () => {
  const { listener, socket } = accepted((on) => listenUnix(`@${name}`, on));
  const client = connect(`@${name}`);
  const server = await socket;
  const failed = once(server, "error");
  client.destroy();
  await once(client, "close");
  server.write("x");
  expect((await failed)[0]).toMatchObject({ code: "EPIPE", syscall: "write" });
  await listener.close();
});

test("a listener kept elsewhere accepts the connections that arrived while no one accepted", async () => {
  const first = listenUnix(`@${name}`, () => {});
  const kept = sys.dup(first.fd);
  await first.close();
  const client = connect(`@${name}`);
  await once(client, "connect");
  const { listener, socket } = accepted((on) => adoptListener(kept, on));
  client.end("waited");
  const server = await socket;
  expect((await collect(server)).toString()).toBe("waited");
  server.end();
  client.resume();
  await once(client, "close");
  await listener.close();
});

test("a second listener on a unix path is refused with the reason", async () => {
  const dir = mkdtempSync(join(tmpdir(), "guestd-streams-"));
  const path = join(dir, "socket");
  const { listener, socket } = accepted((on) => listenUnix(path, on));
  expect(() => listenUnix(path, () => {})).toThrow(`bind unix ${path}: EADDRINUSE (address already in use)`);
  const client = connect(path);
  (await socket).end("hi");
  expect((await collect(client)).toString()).toBe("hi");
  client.destroy();
  (await socket).destroy();
  await listener.close();
  await listener.close();
  rmSync(dir, { recursive: true });
  expect(() => listenUnix(path, () => {})).toThrow(`bind unix ${path}: ENOENT (no such file or directory)`);
});

test("fdOf returns the descriptor of a socket until it is closed", async () => {
  const [ours, theirs] = sys.socketPair("stream");
  const socket = adoptStream(ours);
  expect(fdOf(socket)).toBe(ours);
  socket.destroy();
  sys.close(theirs);
  expect(() => fdOf(socket)).toThrow("get the descriptor of a socket: the socket is closed");
});

test("the ends of a pipe can be adopted as streams", async () => {
  const { read, write } = sys.pipe();
  const writer = adoptStream(write, "write");
  const reader = adoptStream(read, "read");
  writer.write("through the pipe");
  expect(String((await once(reader, "data"))[0])).toBe("through the pipe");
  writer.destroy();
  await once(reader, "end");
  reader.destroy();
});

test("a descriptor that isn't a stream is refused in one line and closed", () => {
  const file = openSync(import.meta.filename, "r");
  expect(() => adoptStream(file)).toThrow(`adopt stream fd ${file}: EPERM (operation not permitted)`);
  expect(() => closeSync(file)).toThrow("EBADF");
  expect(() => adoptStream(9999)).toThrow("adopt stream fd 9999: EBADF (bad file descriptor)");
  const { read, write } = sys.pipe();
  sys.close(write);
  expect(() => adoptListener(read, () => {})).toThrow(`listen on fd ${read}: ENOTSOCK`);
});

test("a listener that can't accept retries, and reports it at most once a second", async () => {
  const began = performance.now();
  const refused: unknown[] = [];
  const { promise, resolve } = Promise.withResolvers<number>();
  const listener = listenUnix(`@${name}`, resolve, (error) => refused.push(error));
  const accept = vi.spyOn(addon, "accept").mockReturnValue(-24);
  const client = connect(`@${name}`);
  await expect.poll(() => accept.mock.calls.length).toBeGreaterThan(9);
  expect(refused.length).toBeLessThanOrEqual(1 + (performance.now() - began) / 1000);
  expect(new Set(refused.map(String))).toEqual(new Set([expect.stringContaining("EMFILE")]));
  accept.mockRestore();
  sys.close(await promise);
  client.destroy();
  await listener.close();
});

const noVsock = addonHasVsock() ? "" : " (skipped: this kernel has no vsock)";

function addonHasVsock(): boolean {
  const fd = addon.vsockSocket();
  if (fd >= 0) addon.close(fd);
  return fd >= 0;
}

test.skipIf(noVsock !== "")(`a vsock port is bound, listened on, kept and listened on again${noVsock}`, async () => {
  const listener = listenVsock({ cid: VSOCK_ANY, port: VSOCK_ANY }, () => {});
  const port = addon.localPort(listener.fd);
  expect(port).toBeGreaterThan(1023);
  expect(readFileSync(`/proc/self/fdinfo/${listener.fd}`, "utf8")).toMatch(/flags:\s+0?2004002/);
  expect(() => listenVsock({ cid: VSOCK_ANY, port }, () => {})).toThrow(`bind vsock ${VSOCK_ANY}:${port}: EADDRINUSE`);
  const kept = sys.dup(listener.fd);
  await listener.close();
  const again = adoptVsockListener(kept, () => {});
  expect(addon.localPort(again.fd)).toBe(port);
  await again.close();
});

test("a connection whose CID is unknown is dropped and reported", async () => {
  const fd = addon.unixSocket();
  expect(addon.bindUnix(fd, `@${name}`)).toBe(0);
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const listener = adoptVsockListener(fd, () => expect.unreachable(), resolve);
  const client = connect(`@${name}`);
  expect(String(await promise)).toMatch(`getpeername of a connection to fd ${fd}: EAFNOSUPPORT`);
  client.resume();
  await once(client, "end");
  client.destroy();
  await listener.close();
});

/** Wraps the addon to use a unix socketpair in place of a vsock connection, so that nothing leaves this process. */
function connecting(answers: { connect: number; error?: number }) {
  const pair = new Int32Array(2);
  addon.socketPair(pair, 0);
  const [ours = -1, theirs = -1] = pair;
  const double = Object.create(addon, {
    vsockSocket: { value: () => ours },
    connectVsock: { value: () => answers.connect },
    socketError: { value: () => answers.error ?? 0 },
  });
  return { double, theirs };
}

test("a vsock connection that is established later becomes a socket", async () => {
  const { double, theirs } = connecting({ connect: -115 });
  const socket = await connectVsock({ cid: 7, port: 1024 }, undefined, double);
  sys.write(theirs, Buffer.from("hello"));
  expect(String((await once(socket, "data"))[0])).toBe("hello");
  socket.destroy();
  sys.close(theirs);
});

test.each([
  ["at once", { connect: -19 }, "connect vsock 7:1024: ENODEV (no such device)"],
  ["later", { connect: -115, error: -104 }, "connect vsock 7:1024: ECONNRESET (connection reset by peer)"],
])("a vsock connection that fails %s says so and leaves nothing open", async (_when, answers, text) => {
  const { double, theirs } = connecting(answers);
  await expect(connectVsock({ cid: 7, port: 1024 }, undefined, double)).rejects.toThrow(text);
  sys.close(theirs);
});

test("an aborted vsock connection rejects with the reason and leaves nothing open", async () => {
  const { double, theirs } = connecting({ connect: -115 });
  await expect(connectVsock({ cid: 7, port: 1 }, AbortSignal.abort(new Error("late")), double)).rejects.toThrow("late");
  sys.close(theirs);
});

test("a Node with a different pipe handle is refused in one line", () => {
  class Pipe {
    open() {
      return -22;
    }
    listen() {}
    close() {}
  }
  class Other extends Pipe {}
  const start = `streams: Node ${process.version} cannot adopt descriptors: `;
  const cases: [object | null, string][] = [
    [null, "its pipe handle lacks open, close; use Node 24"],
    [new Other(), "no pipe handle; use Node 24"],
    [new Pipe(), "opening fd"],
  ];
  for (const [handle, why] of cases) {
    const fd = sys.dup(0);
    expect(() => pipeConstructorOf(handle, fd)).toThrow(start + why);
    if (why === "opening fd") sys.close(fd);
  }
});
