import { expect, test } from "vitest";
import { createJournalMemory, journalIn } from "../kernel/journal/journal.ts";
import { diagnostics, type RefusedEvent } from "./diagnostics.ts";
import { RpcServer, type ServerOptions } from "./rpc-server.ts";
import { listen } from "./testing/listen.ts";
import { createWireDouble } from "./testing/wire-double.ts";

/** A server of played connections. */
function serve(options?: ServerOptions) {
  const sys = createWireDouble();
  const init = { deposit: () => undefined, withdraw: () => undefined };
  const table = { find: () => "no-service" as const, mayRepeat: () => false, mayGoOn: () => false, list: () => [] };
  const { calls: journal } = journalIn(createJournalMemory());
  return { sys, server: new RpcServer({ sys, init, journal }, table, options) };
}

test("only the host may call over vsock, and each peer has its name", () => {
  const { sys, server } = serve();
  const refused = listen<RefusedEvent>(diagnostics.refused);
  expect([1, 3].map((cid) => server.accept(10 + cid, cid))).toEqual([undefined, undefined]);
  expect(sys.calls).toEqual(["close 11", "close 13"]);
  expect([server.accept(7, 2)?.peer, server.accept(8)?.peer]).toEqual(["vsock:2", "unix"]);
  const reason = "only the host (CID 2) may call the agent";
  expect(refused).toEqual([1, 3].map((cid) => ({ peer: `vsock:${cid}`, reason })));
  server.destroy();
});

test.each([
  [{ maxConnections: 2 }, 2],
  [{}, 8192],
])("with %j, a connection over the limit is refused until another one has closed", async (options, most) => {
  const { server } = serve(options);
  const refused = listen<RefusedEvent>(diagnostics.refused);
  const open = Array.from({ length: most }, (_, at) => server.accept(100 + at));
  expect([[...server.connections].length, open.includes(undefined)]).toEqual([most, false]);
  expect(server.accept(7)).toBeUndefined();
  expect(refused).toEqual([{ peer: "unix", reason: `${most} connections are already open` }]);
  open[0]?.destroy();
  await open[0]?.closed;
  await expect.poll(() => [...server.connections].length).toBe(most - 1);
  expect(server.accept(8)).toBeDefined();
  server.destroy();
});

test.each(["close", "destroy"] as const)("after %s, every connection is closed and none is accepted", async (end) => {
  const { sys, server } = serve();
  const refused = listen<RefusedEvent>(diagnostics.refused);
  for (const fd of [7, 8]) server.accept(fd);
  await server[end]();
  expect(sys.calls.filter((call) => call.startsWith("close"))).toEqual(["close 7", "close 8"]);
  expect(server.accept(9)).toBeUndefined();
  expect(refused).toEqual([{ peer: "unix", reason: "the agent is shutting down" }]);
  await expect.poll(() => [...server.connections]).toEqual([]);
  expect(server.openCalls()).toEqual([]);
});
