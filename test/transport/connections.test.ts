import { once } from "node:events";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createJournalMemory, journalIn } from "../../agent/kernel/journal/journal.ts";
import { adoptStream } from "../../agent/kernel/sys/streams.ts";
import { createInitDouble } from "../../agent/kernel/testing/init-double.ts";
import { diagnostics, type RefusedEvent } from "../../agent/transport/diagnostics.ts";
import { RpcServer } from "../../agent/transport/rpc-server.ts";
import { dial } from "../../host/client/dial.ts";
import { TtrpcClient } from "../../host/client/ttrpc-client.ts";
import { FakeTable } from "./testing/fake-table.ts";
import { PREFACE } from "./testing/http2-frames.ts";
import { createServer, serve, sys, until } from "./testing/serve.ts";

let refused: RefusedEvent[] = [];
const listen = (event: unknown): void => void refused.push(event as RefusedEvent);
beforeEach(() => {
  refused = [];
  diagnostics.refused.subscribe(listen);
});
afterEach(() => void diagnostics.refused.unsubscribe(listen));

/**
 * Opens a connection whose client sends nothing. Returns the server's end, and a function that tells whether it is
 * closed.
 */
function silent(): { readonly fd: number; readonly closed: () => boolean } {
  const [fd, other] = sys.socketPair("stream");
  sys.setNonBlocking(other);
  return { fd, closed: () => sys.read(other, new Uint8Array(1)) === 0 };
}

test("the server closes vsock connections from any peer but the host, and reports each once", async () => {
  const server = createServer(new FakeTable());
  for (const cid of [0, 1, 3, 4294967295]) {
    const socket = silent();
    expect(server.accept(socket.fd, cid)).toBeUndefined();
    expect(socket.closed()).toBe(true);
  }
  const reason = "only the host (CID 2) may call the agent";
  expect(refused).toEqual([0, 1, 3, 4294967295].map((cid) => ({ peer: `vsock:${cid}`, reason })));
  const socket = silent();
  expect(server.accept(socket.fd, 2)?.peer).toBe("vsock:2");
  expect(socket.closed()).toBe(false);
  server.destroy();
  await until(socket.closed);
});

test("the server refuses connections over the limit, and all connections after close", async () => {
  const server = createServer(new FakeTable(), { maxConnections: 1 });
  const first = silent();
  expect(server.accept(first.fd)).toBeDefined();
  expect(server.accept(silent().fd)).toBeUndefined();
  await server.close();
  expect(first.closed()).toBe(true);
  expect(server.accept(silent().fd)).toBeUndefined();
  expect(refused.map(({ reason }) => reason)).toEqual(["1 connections are already open", "the agent is shutting down"]);
});

test("the server closes and reports a gRPC connection if grpc-js can't be loaded, and tries again for the next one", async () => {
  const server = createServer(new FakeTable(), { loadGrpc: () => Promise.reject(new Error("EMFILE")) });
  for (const _ of [1, 2]) {
    const [fd, other] = sys.socketPair("stream");
    const connection = server.accept(fd);
    sys.write(other, PREFACE);
    await connection?.closed;
    sys.close(other);
  }
  expect([...server.connections]).toEqual([]);
  expect(refused.map(({ reason }) => reason)).toEqual(new Array(2).fill("gRPC can't be served: EMFILE"));
});

test("a connection for which init has no room is served, and isn't offered again with later requests", async () => {
  const offered: string[] = [];
  const deposit = (name: string) => {
    offered.push(name);
    throw new Error("init keeps 1024 descriptors already");
  };
  const journal = journalIn(createJournalMemory()).calls;
  const server = new RpcServer({ sys, init: { ...createInitDouble(sys), deposit }, journal }, new FakeTable());
  const [fd, other] = sys.socketPair("stream");
  server.accept(fd);
  await using client = new TtrpcClient(adoptStream(other));
  for (const text of ["one", "two"])
    expect(String(await client.call("test.Echo", "Echo", Buffer.from(text)))).toBe(text);
  expect(offered).toHaveLength(1);
  server.destroy();
});

test("2000 silent connections cost little and disturb no other client", async () => {
  await using served = await serve();
  const before = process.memoryUsage();
  const sockets = await Promise.all(Array.from({ length: 2000 }, () => served.dial()));
  await until(() => [...served.rpc.connections].length === 2000);
  const after = process.memoryUsage();
  // Includes both ends and their streams. The server's parsers haven't allocated anything yet.
  expect((after.heapUsed + after.external - before.heapUsed - before.external) / 2000).toBeLessThan(32 << 10);
  await using client = new TtrpcClient(await dial(served.address));
  expect(Buffer.from(await client.call("test.Echo", "Echo", Buffer.from("hi"))).toString()).toBe("hi");
  for (const socket of sockets) socket.destroy();
  await until(() => [...served.rpc.connections].length === 1);
});

test("a connection that closes without sending a byte leaves nothing behind", async () => {
  await using served = await serve();
  const socket = await served.dial();
  await until(() => [...served.rpc.connections].length === 1);
  expect([...served.rpc.connections][0]?.protocol).toBe("unknown");
  socket.end();
  await until(() => [...served.rpc.connections].length === 0);
});

test.each(["PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "POST / HTTP/1.1\r\n\r\n"])(
  "the server closes a connection whose bytes belong to neither protocol: %j",
  async (text) => {
    await using served = await serve();
    const socket = await served.dial();
    const ended = once(socket, "end");
    socket.on("error", () => {});
    socket.resume().write(text);
    await ended;
    socket.destroy();
    await until(() => [...served.rpc.connections].length === 0);
  },
);

test("a client that disconnects within HTTP/2's first bytes leaves no connection behind", async () => {
  await using served = await serve();
  const socket = await served.dial();
  socket.resume().end("P");
  await until(() => [...served.rpc.connections].length === 0);
});
