import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { createJournalMemory, journalIn } from "../kernel/journal/journal.ts";
import { BodyRoom } from "./body-room.ts";
import type { Connection } from "./connection.ts";
import { type ConnectionEvent, diagnostics, type RefusedEvent } from "./diagnostics.ts";
import { KeptConnections } from "./kept-connections.ts";
import { ServedConnection, type ServerParts } from "./served-connection.ts";
import { listen } from "./testing/listen.ts";
import { createWireDouble } from "./testing/wire-double.ts";

/** A connection on a played socket; loading gRPC ends as `loading` does. */
function serve() {
  const sys = createWireDouble();
  const init = { deposit: () => undefined, withdraw: () => undefined };
  const loading = Promise.withResolvers<Awaited<ReturnType<ServerParts["loadGrpc"]>>>();
  const grpc = new Set<Connection>();
  const table = { find: () => "no-service" as const, mayRepeat: () => false, mayGoOn: () => false, list: () => [] };
  const parts: ServerParts = {
    ...{ sys, grpc, table, options: {}, room: new BodyRoom(1 << 20) },
    kept: new KeptConnections(journalIn(createJournalMemory()).calls, init),
    loadGrpc: () => loading.promise,
  };
  const events = {
    refused: listen<RefusedEvent>(diagnostics.refused),
    opened: listen<ConnectionEvent>(diagnostics.opened),
    closed: listen<ConnectionEvent>(diagnostics.closed),
  };
  return { sys, loading, grpc, events, connection: new ServedConnection(parts, 7, "unix", undefined) };
}

test("a connection has no protocol and no calls before its first byte, and can be closed then", async () => {
  const { sys, events, connection } = serve();
  expect([connection.protocol, connection.openCalls()]).toEqual(["unknown", []]);
  await connection.close();
  expect(sys.calls).toContain("close 7");
  expect([events.opened, events.closed]).toEqual([[], []]);
});

test("a first byte other than that of HTTP/2 begins ttRPC", async () => {
  const { sys, events, connection } = serve();
  sys.arrives("\0\0");
  expect(connection.protocol).toBe("ttrpc");
  expect(events.opened).toEqual([{ peer: "unix", protocol: "ttrpc" }]);
  connection.destroy();
  await connection.closed;
  await turn();
  expect(events.closed).toEqual(events.opened);
});

test("a gRPC connection over the limit is refused", async () => {
  const { sys, grpc, events, connection } = serve();
  for (let count = 0; count < 512; count++) grpc.add({ ...connection } as unknown as Connection);
  sys.arrives("PRI");
  await connection.closed;
  expect(events.refused).toEqual([{ peer: "unix", reason: "512 gRPC connections are already open" }]);
  expect([sys.calls.at(-1), grpc.size]).toEqual(["close 7", 512]);
});

test("a connection is closed if gRPC can't be loaded, and no longer counts", async () => {
  const { sys, loading, grpc, events, connection } = serve();
  sys.arrives("PRI");
  expect(grpc.size).toBe(1);
  loading.reject(new Error("no such module"));
  await connection.closed;
  expect(events.refused).toEqual([{ peer: "unix", reason: "gRPC can't be served: no such module" }]);
  await turn();
  expect([sys.calls.filter((call) => call === "close 7"), grpc.size]).toEqual([["close 7"], 0]);
});

test("a connection that is closed while gRPC is loaded is not served", async () => {
  const { sys, loading, grpc, events, connection } = serve();
  sys.arrives("PRI");
  connection.destroy();
  await connection.closed;
  let served = false;
  loading.resolve({
    GrpcConnection: class {
      constructor() {
        served = true;
      }
    } as never,
  });
  await turn();
  expect([served, grpc.size, events.opened, events.refused]).toEqual([false, 0, [], []]);
});
