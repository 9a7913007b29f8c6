import { once } from "node:events";
import { describe, expect, test, vi } from "vitest";
import {
  CHUNK_BYTES,
  CHUNKS,
  MAX_KEPT_CALLS,
  MAX_KEPT_CONNECTIONS,
} from "../../agent/kernel/journal/journal-layout.ts";
import { ttrpc } from "../../proto/gen/messages.js";
import { encodeHeader } from "../../proto/ttrpc-frame.ts";
import { collect, request, restarts, resumed } from "./testing/restarts.ts";
import { until } from "./testing/serve.ts";

const agents = restarts();
const NO_BYTES = Buffer.alloc(0);
const cut = (bytes: Buffer, at: number): Buffer[] => [bytes.subarray(0, at), bytes.subarray(at)];

describe("a call whose agent dies", () => {
  test("is answered by the next agent if it had not been read", async () => {
    const { socket, got } = await agents.connected();
    agents.dying.dieAt("before read");
    socket.write(request(3, "Echo", "second"));
    await until(() => agents.dying.dead);
    expect(agents.succeed().events).toMatchObject([{ ...resumed, open: 0 }]);
    await until(() => got.get(3) === "0 second");
  });

  test("is answered if it was read but not noted, not even its length", async () => {
    const { socket, got } = await agents.connected();
    agents.dying.dieAt("after read");
    socket.write(Buffer.concat([request(3, "Echo", "second"), request(5, "Bug")]));
    await until(() => agents.dying.dead);
    expect(agents.succeed().events).toMatchObject([resumed]);
    await until(() => got.size === 3);
    expect([got.get(3), got.get(5)]).toEqual(["0 second", "13 TypeError: x is not a function at stack"]);
  });

  test("is answered if it was the first on a connection that init has only just received", async () => {
    await agents.connected();
    const socket = agents.dying.connect();
    agents.ends.push(socket);
    const got = collect(socket);
    agents.dying.dieAt("deposit");
    socket.write(Buffer.concat([request(1, "Echo", "first"), request(3, "Echo", "second")]));
    await until(() => agents.dying.dead);
    expect(agents.succeed().events).toMatchObject([resumed, resumed]);
    await until(() => got.get(1) === "0 first" && got.get(3) === "0 second");
  });

  test.each([
    ["with a tail of 0xff bytes", [request(3, "Echo", Buffer.from("second\xff\xff", "latin1"))]],
    ["as the rest of a request", cut(request(3, "Echo", Buffer.from("second\xff\xff", "latin1")), 12)],
    ["as far as its header", cut(request(3, "Echo", Buffer.from("second\xff\xff", "latin1")), 10)],
  ])("is answered if it was read %s but not noted", async (_how, [...pieces]) => {
    const { socket, got } = await agents.connected();
    const last = pieces.pop();
    for (const piece of pieces) await agents.send(socket, piece);
    agents.dying.dieAt("after read");
    socket.write(last ?? "");
    await until(() => agents.dying.dead);
    expect(agents.succeed().events).toMatchObject([resumed]);
    await until(() => got.get(3) === "0 second\xff\xff");
  });

  test.each([7, 10, 20])("is answered if %i bytes had been read and the rest arrives later", async (bytes) => {
    const { socket, got } = await agents.connected();
    const [begin, end] = cut(request(3, "Echo", "second"), bytes);
    await agents.send(socket, Buffer.concat([request(5, "Hang"), begin ?? NO_BYTES]));
    agents.dying.dieNow();
    expect(agents.succeed().events).toMatchObject([{ ...resumed, open: 1 }]);
    socket.write(end ?? "");
    await until(() => got.get(3) === "0 second");
  });

  test("is answered if it is large and its pieces reach several agents in turn", async () => {
    const { socket, got } = await agents.connected();
    const payload = Buffer.alloc(900_000, "0123456789");
    const frame = Buffer.concat([request(3, "Echo", payload), request(5, "Echo", "and on")]);
    for (let at = 0; at < frame.length; at += 150_000) {
      await agents.send(socket, frame.subarray(at, at + 150_000));
      if (at === 750_000) break;
      agents.dying.dieNow();
      agents.dying = agents.dying.dyingSuccessor();
      agents.ends.push(agents.dying.server);
    }
    socket.write(frame.subarray(900_000));
    await until(() => got.get(5) === "0 and on");
    expect(got.get(3)).toBe(`0 ${payload.toString()}`);
  });

  test("is answered if the connection's first bytes are half of its request", async () => {
    await agents.connected();
    const socket = agents.dying.connect();
    agents.ends.push(socket);
    const got = collect(socket);
    const [begin, end] = cut(request(1, "Echo", "first"), 15);
    await agents.send(socket, begin ?? NO_BYTES);
    agents.dying.dieNow();
    expect(agents.succeed().events).toMatchObject([resumed, resumed]);
    socket.write(end ?? "");
    await until(() => got.get(1) === "0 first");
  });

  test("is repeated if it changes nothing, and its answer arrives on the same stream", async () => {
    const { socket, got } = await agents.connected();
    socket.write(Buffer.concat([request(3, "Sleep", "50"), request(7, "Hang"), request(5, "Sleep", "51")]));
    await until(() => agents.dying.table.running === 3);
    agents.dying.dieNow();
    const { events, table } = agents.succeed();
    expect(events).toMatchObject([{ ...resumed, open: 3, repeated: 3, cutOff: 0 }]);
    await until(() => got.size === 3);
    expect([got.get(3), got.get(5)]).toEqual(["0 50", "0 51"]);
    expect(table.running).toBe(1);
    socket.write(request(9, "Echo", "and on"));
    await until(() => got.get(9) === "0 and on");
  });

  test("continues from the progress that the earlier agent noted, in the order of the calls, once unfinished work is undone", async () => {
    const { socket, got } = await agents.connected();
    socket.write(
      Buffer.concat([request(3, "Deaf", "small"), request(5, "Deaf", Buffer.alloc(9000, "large")), request(7, "Note")]),
    );
    await until(() => agents.dying.table.running === 3);
    agents.dying.dieNow();
    const undone = Promise.withResolvers<void>();
    const { events, table } = agents.succeed(undone.promise);
    expect(events).toMatchObject([{ ...resumed, open: 3, repeated: 3, cutOff: 0 }]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([got.size, table.started]).toEqual([1, 0]);
    undone.resolve();
    await until(() => table.started === 3);
    await until(() => got.get(7) === "0 an earlier agent noted 7");
  });

  test("fails as interrupted if the journal has no room for its request", async () => {
    const { socket, got } = await agents.connected();
    const payload = Buffer.alloc((1 << 20) - 100);
    const count = ((CHUNKS * CHUNK_BYTES) >> 20) + 1;
    socket.write(Buffer.concat(Array.from({ length: count }, (_, index) => request(3 + 2 * index, "Deaf", payload))));
    await until(() => agents.dying.table.running === count);
    agents.dying.dieNow();
    const [event] = agents.succeed().events;
    expect(event).toMatchObject({ ...resumed, open: count });
    expect(event?.cutOff).toBeGreaterThan(0);
    await until(() => got.size === 1 + (event?.cutOff ?? 0));
    expect(got.get(1 + 2 * count)).toBe(
      "14 /test.Echo/Deaf: the agent was restarted during the call, which may or may not have taken effect; check, then retry",
    );
  });

  test.each([
    ["an agent dies when it begins the call, until four have died", 0, 3],
    ["the agent is killed because the call hangs, but not after a second time", 60_000, 1],
  ])("is repeated if %s", async (_when, ms, times) => {
    vi.useFakeTimers({ toFake: ["hrtime"] });
    const { socket, got } = await agents.connected();
    agents.dying.table.onFatal = () => agents.dying.dieNow();
    socket.write(request(3, "Fatal"));
    for (let time = 0; time < times; time++) {
      await until(() => agents.dying.dead);
      vi.advanceTimersByTime(ms);
      agents.dying = agents.dying.dyingSuccessor();
      agents.ends.push(agents.dying.server);
    }
    await until(() => agents.dying.dead);
    vi.advanceTimersByTime(ms);
    expect(agents.dying.table.started).toBe(1);
    const { events, table } = agents.succeed();
    expect(events).toMatchObject([{ ...resumed, open: 1, repeated: 0, cutOff: 1 }]);
    await until(() => got.get(3)?.startsWith("14 /test.Echo/Fatal: the agent was restarted during the call") === true);
    expect(table.started).toBe(0);
    socket.write(request(5, "Echo", "and on"));
    await until(() => got.get(5) === "0 and on");
  });

  test("keeps its original deadline", async () => {
    const { socket, got } = await agents.connected();
    const message = { service: "test.Echo", method: "Hang", payload: Buffer.alloc(0), timeout_nano: 80e6 };
    const body = ttrpc.Request.encode(message).finish();
    socket.write(Buffer.concat([encodeHeader(body.length, { streamId: 3, type: 1, flags: 0 }), body]));
    await until(() => agents.dying.table.running === 1);
    agents.dying.dieNow();
    agents.succeed();
    await until(() => got.get(3) === "4 /test.Echo/Hang exceeded its caller's deadline");
  });
});

test("connections and calls beyond the journal's slots are closed or fail as interrupted", async () => {
  await agents.connected();
  const silent = Array.from({ length: 50 }, () => agents.dying.connect());
  const sockets = Array.from({ length: MAX_KEPT_CONNECTIONS }, () => agents.dying.connect());
  agents.ends.push(...silent, ...sockets);
  const half = MAX_KEPT_CALLS / 2;
  const calls = (from: number, count: number) =>
    Buffer.concat(Array.from({ length: count }, (_, index) => request(from + 2 * index, "Hang")));
  for (const [index, socket] of sockets.entries()) socket.write(calls(3, index < 2 ? half : 1));
  await until(() => agents.dying.table.running === 2 * half + sockets.length - 2);
  expect(agents.dying.deposits.size).toBe(MAX_KEPT_CONNECTIONS);
  agents.dying.dieNow();
  const { events } = agents.succeed();
  expect(events).toHaveLength(MAX_KEPT_CONNECTIONS);
  const broken = events.filter((event) => event.broken !== undefined);
  expect(broken).toHaveLength(MAX_KEPT_CONNECTIONS - 3);
  expect(broken[0]?.broken).toBe("more calls were open than can be kept");
});

test("a connection that only init or only the journal has is closed", async () => {
  const { socket } = await agents.connected();
  const [[name, fd] = ["", -1]] = agents.dying.deposits;
  agents.dying.deposits.delete(name);
  agents.dying.deposits.set("conn:77", fd);
  agents.dying.dieNow();
  expect(agents.succeed().events.map(({ broken }) => broken)).toEqual([
    "init doesn't have its descriptor",
    "it isn't in the journal",
  ]);
  await once(socket, "end");
});
