import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { CHUNK_BYTES, CHUNKS, WRITE_BYTES } from "../../agent/kernel/journal/journal-layout.ts";
import { idsOf, request, restarts, resumed } from "./testing/restarts.ts";
import { until } from "./testing/serve.ts";

const agents = restarts();

describe("an answer whose agent dies", () => {
  test.each([
    ["before write", "none"],
    ["after write", "all"],
    ["after write", 1],
    ["after write", 9],
    ["after write", 30],
    ["after write", 100_000],
  ] as const)(
    "receives each answer once if the agent dies %s of them with room for %s of their bytes",
    async (moment, room) => {
      const { socket, got } = await agents.connected();
      const frames = idsOf(socket);
      const large = Buffer.alloc(300_000, "x").toString();
      agents.dying.dieAt(moment);
      if (typeof room === "number") agents.dying.room = room;
      socket.write(
        Buffer.concat([
          request(3, "Echo", "second"),
          request(5, "NotFound"),
          request(7, "Fill", "20"),
          request(9, "Large"),
        ]),
      );
      await until(() => agents.dying.dead);
      expect(agents.succeed().events).toMatchObject([resumed]);
      socket.write(request(11, "Echo", "and on"));
      await until(() => got.size === 6);
      expect([got.get(3), got.get(5), got.get(11)]).toEqual(["0 second", "5 no such thing as this", "0 and on"]);
      expect([got.get(7)?.length, got.get(9) === `0 ${large}`]).toEqual([22, true]);
      expect(frames.toSorted((a, b) => a - b)).toEqual([3, 5, 7, 9, 11]);
    },
  );

  test("receives its answer if the agent dies after an answer that had to wait for room", async () => {
    const { socket, got } = await agents.connected();
    agents.dying.room = 1000;
    socket.write(request(3, "Large"));
    await until(() => agents.dying.room === 0);
    agents.dying.room = Number.POSITIVE_INFINITY;
    await until(() => got.has(3));
    agents.dying.dieNow();
    agents.succeed();
    socket.write(request(5, "Echo", "and on"));
    await until(() => got.get(5) === "0 and on");
  });

  test("receives each answer once if several agents in turn die in the middle of a large one", async () => {
    const { socket, got } = await agents.connected();
    const frames = idsOf(socket);
    socket.write(Buffer.concat([request(3, "Fill", String(3 << 20)), request(5, "Hang"), request(7, "Echo", "small")]));
    for (let taken = 1; taken <= 5; taken++) {
      agents.dying.room = WRITE_BYTES - 1000 * taken;
      await until(() => agents.dying.room === 0);
      await new Promise((resolve) => setTimeout(resolve, 5));
      agents.dying.dieNow();
      agents.dying = agents.dying.dyingSuccessor(0);
      agents.ends.push(agents.dying.server);
    }
    agents.dying.dieNow();
    expect(agents.succeed().events).toMatchObject([{ ...resumed, open: 3 }]);
    await until(() => got.has(3) && got.has(7));
    expect([got.get(3)?.length, got.get(7)]).toEqual([(3 << 20) + 2, "0 small"]);
    expect(frames).toEqual([3, 7]);
  });

  test("is answered if its answer was ready but had to wait for room", async () => {
    const { socket, got } = await agents.connected();
    agents.dying.room = 0;
    socket.write(
      Buffer.concat([request(3, "Echo", "waits"), request(5, "NotFound"), request(7, "None"), request(4, "")]),
    );
    await until(() => agents.dying.table.settled.length === 2);
    agents.dying.dieNow();
    expect(agents.succeed().events).toMatchObject([{ ...resumed, open: 4, repeated: 4 }]);
    await until(() => got.size === 5);
    expect([got.get(3), got.get(5)]).toEqual(["0 waits", "5 no such thing as this"]);
  });

  test("is lost with its connection if a part of its answer was written and the journal has no room for the rest", async () => {
    const { socket } = await agents.connected();
    // Each answer waits in the journal with 1 MiB.
    const others = Array.from({ length: (CHUNKS * CHUNK_BYTES) >> 20 }, (_, index) =>
      request(5 + 2 * index, "Deaf", Buffer.alloc((1 << 20) - 100)),
    );
    socket.write(Buffer.concat(others));
    await until(() => agents.dying.table.running === others.length);
    agents.dying.room = 100_000;
    socket.write(request(3, "Fill", String(1 << 20)));
    await until(() => agents.dying.room === 0);
    agents.dying.dieNow();
    expect(agents.succeed().events).toMatchObject([{ broken: "no room to keep the rest of an answer" }]);
    await once(socket, "end");
  });
});
