import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Init } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { monotonicMs } from "../../kernel/monotonic-ms.ts";
import { WarmWorld } from "./testing/warm-world.ts";
import type { WarmStart } from "./warm-start.ts";

const { WHEN_QUIET } = guestd.v1.AgentReplacement;
const HOUR_MS = 3_600_000;
const entropy = Buffer.alloc(32, 1);

let directory: string;
let world: WarmWorld;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "warm-start-"));
  world = new WarmWorld(join(directory, "guest"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const request = (fields: Init<guestd.v1.ResumedRequest>) =>
  guestd.v1.ResumedRequest.decode(guestd.v1.ResumedRequest.encode(fields).finish());
const quiesce = (warmStart: WarmStart) => warmStart.quiesce({ freeze_containers: true });
const passes = (warmStart: WarmStart) => {
  try {
    warmStart.gate.check("create container");
    return true;
  } catch (error) {
    expect(error).toMatchObject({ kind: "unavailable" });
    return false;
  }
};

/** Sends a Resumed to one agent after the other, each of which may die, until one answers. */
async function resumed(fields: Init<guestd.v1.ResumedRequest>, first?: ReturnType<WarmWorld["agent"]>) {
  for (let agent = first ?? world.agent(), tries = 0; tries < 5; agent = world.agent(), tries++) {
    const answer = agent.warmStart.resume(request(fields)).catch((error: Error) => {
      if (error.message !== "dead") throw error;
    });
    const result = await Promise.race([answer, agent.ended]);
    if (result !== undefined) return { ...result, warmStart: agent.warmStart };
    world.left = Number.POSITIVE_INFINITY; // only the first one dies early
  }
  throw new Error("no agent answers");
}

test("Quiesce freezes what runs, and Resumed at the same epoch thaws that alone, without another agent", async () => {
  world.addContainer("running");
  world.addContainer("paused", true);
  const { warmStart } = world.agent();
  expect(await quiesce(warmStart)).toEqual({ epoch: 0, losses: [] });
  await quiesce(warmStart);
  expect([...world.containers.values()].map(({ paused }) => paused)).toEqual([true, true]);
  expect(passes(warmStart)).toBe(false);
  expect(await warmStart.resume(request({ epoch: 0 }))).toEqual({ epoch: 0, generation: 1 });
  expect([...world.containers.values()].map(({ paused }) => paused)).toEqual([false, true]);
  expect(passes(warmStart)).toBe(true);
  expect(world.effects).not.toContain("entropy");
});

test("the gate stays closed for the next agent, and opens for a call that was begun before", async () => {
  await quiesce(world.agent().warmStart);
  const { warmStart } = world.agent();
  expect(passes(warmStart)).toBe(false);
  expect(() => warmStart.gate.enter("create container", 1)).not.toThrow();
});

test("Quiesce waits for calls inside the gate", async () => {
  const { warmStart } = world.agent();
  const inside = warmStart.gate.enter("create container");
  let isDone = false;
  const quiesced = quiesce(warmStart).finally(() => {
    isDone = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect([isDone, passes(warmStart)]).toEqual([false, false]);
  inside[Symbol.dispose]();
  await quiesced;
});

test("a Quiesce that fails leaves the guest as it was, and can be repeated", async () => {
  const { warmStart } = world.agent();
  const broken = Object.assign(world.addContainer("broken"), { isStuck: true });
  world.addContainer("one");
  await expect(quiesce(warmStart)).rejects.toThrow("broken does not freeze");
  expect([...world.containers.values()].map(({ paused }) => paused)).toEqual([false, false]);
  expect(passes(warmStart)).toBe(true);
  broken.isStuck = false;
  await quiesce(warmStart);
  expect(passes(warmStart)).toBe(false);
});

test("a clone gets randomness first, then time, name and streams, and another agent opens the gate", async () => {
  world.addContainer("running");
  await quiesce(world.agent().warmStart);
  world.effects.length = 0;
  const now = Date.now() + HOUR_MS;
  const time = { realtime_seconds: Math.floor(now / 1000), realtime_nanos: (now % 1000) * 1e6 };
  const { epoch, generation, warmStart } = await resumed({ epoch: 7, entropy, ...time, hostname: "clone" });
  expect({ epoch, generation }).toEqual({ epoch: 7, generation: 3 });
  expect(passes(warmStart)).toBe(true);
  expect(warmStart.unreported).toBe(7);
  const steps = world.effects.filter((effect) => effect !== "record");
  expect(steps).toEqual([...["entropy", "clock", "hostname", "dns", "streams", "end"], "thaw running"]);
  expect(readFileSync(join(world.directory, "machine-id"), "utf8")).toMatch(/^[0-9a-f]{32}\n$/);
  expect(world.hostname).toBe("clone");
});

test("an agent that may be replaced later opens the gate itself, after programs can read the epoch", async () => {
  world.addContainer("running");
  const { warmStart } = world.agent();
  await quiesce(warmStart);
  world.effects.length = 0;
  const fields = { epoch: 7, entropy, hostname: "clone", replacement: WHEN_QUIET };
  expect(await warmStart.resume(request(fields))).toEqual({ epoch: 7, generation: 1 });
  expect(passes(warmStart)).toBe(true);
  const steps = world.effects.filter((effect) => effect !== "record");
  const begin = ["entropy", "hostname", "dns", "streams"];
  expect(steps).toEqual([...begin, "epoch 7", "end when quiet", "thaw running"]);
  expect(await world.agent().warmStart.resume(request(fields))).toEqual({ epoch: 7, generation: 2 });
  expect(world.effects.filter((effect) => effect.startsWith("end"))).toHaveLength(1);
});

test.each([
  ["before the answer", undefined],
  ["later", WHEN_QUIET],
])(
  "an agent to be replaced %s that dies before any step of a clone's Resumed doesn't change its end",
  async (_, replacement) => {
    const now = Date.now() + HOUR_MS;
    const fields = {
      replacement,
      ...{ epoch: 1, entropy, hostname: "clone", machine_id: "0".repeat(32), dns: ["nameserver 10.0.0.1"] },
      ...{ realtime_seconds: Math.floor(now / 1000), realtime_nanos: 5e8 },
    };
    let deaths = 0;
    do {
      world = new WarmWorld(join(directory, "guest"));
      world.addContainer("running");
      world.addContainer("paused", true);
      await quiesce(world.agent().warmStart);
      world.effects.length = 0;
      world.left = deaths;
      const arrivedMs = monotonicMs();
      const { warmStart, epoch } = await resumed(fields);
      const { containers, hostname, clockOffset } = world;
      const where = `before step ${deaths}`;
      expect([epoch, hostname, passes(warmStart)], where).toEqual([1, "clone", true]);
      expect(
        [...containers.values()].map(({ paused }) => paused),
        where,
      ).toEqual([false, true]);
      // The time that the call brought applies to its arrival, which lies between these two moments.
      const fastMs = clockOffset + arrivedMs - (fields.realtime_seconds * 1000 + 500);
      expect(fastMs, where).toBeLessThan(1);
      expect(fastMs, where).toBeGreaterThan(arrivedMs - monotonicMs() - 1);
      expect(
        world.effects.find((effect) => effect !== "record"),
        where,
      ).toBe("entropy");
      if (world.hasDied) deaths++;
    } while (world.hasDied);
    expect(deaths).toBeGreaterThan(8);
  },
);

test("a repeated call of a clone that is resumed is answered again and changes nothing", async () => {
  await resumed({ epoch: 3, entropy, hostname: "clone" });
  world.hostname = "changed since";
  expect(await resumed({ epoch: 3, entropy, hostname: "clone" })).toMatchObject({ epoch: 3 });
  expect(world.hostname).toBe("changed since");
});

test("the time of a repeated call is that of its first arrival and what has passed since", async () => {
  const time = { realtime_seconds: 2_000_000_000, realtime_nanos: 0 };
  const { warmStart } = world.agent();
  await warmStart.resume(request({ epoch: 0, ...time }));
  const first = world.clockOffset;
  await new Promise((resolve) => setTimeout(resolve, 50));
  await world.agent().warmStart.resume(request({ epoch: 0, ...time }));
  expect(Math.abs(world.clockOffset - first)).toBeLessThan(10);
});

test("refuses an epoch that is over, also while the guest is becoming a clone, and a clone without entropy", async () => {
  const { warmStart } = await resumed({ epoch: 3, entropy });
  const over = { kind: "failed-precondition", message: expect.stringContaining("epoch 2 is over, the guest's is 3") };
  await expect(warmStart.resume(request({ epoch: 2, entropy }))).rejects.toMatchObject(over);
  const { length } = world.effects;
  await expect(warmStart.resume(request({ epoch: 4 }))).rejects.toMatchObject({ kind: "invalid-argument" });
  expect(world.effects).toHaveLength(length);
  const broken = { epoch: 5, entropy, interfaces: [{ name: "eth7" }] };
  await expect(warmStart.resume(request(broken))).rejects.toThrow(/Link not found/);
  await expect(warmStart.resume(request({ epoch: 3 }))).rejects.toThrow("epoch 3 is over, the guest's is 5");
  await expect(quiesce(warmStart)).rejects.toMatchObject({ kind: "failed-precondition" });
  expect(passes(warmStart)).toBe(false);
  expect(await resumed({ epoch: 5, entropy })).toMatchObject({ epoch: 5 });
});

test("a template's gate is closed until the first epoch, and closed again by Quiesce", async () => {
  const { warmStart } = world.agent({ isTemplate: true });
  expect(passes(warmStart)).toBe(false);
  await warmStart.resume(request({ epoch: 0 }));
  expect(passes(warmStart)).toBe(false);
  await resumed({ epoch: 1, entropy });
  const next = world.agent({ isTemplate: true }).warmStart;
  expect(passes(next)).toBe(true);
  await quiesce(next);
  expect(passes(next)).toBe(false);
});

test("a clone closes the connections that were open at Quiesce, except the caller's", async () => {
  const closed: string[] = [];
  const connect = (peer: string, isResumed = false, method = "WaitProcess") => ({
    ...{ peer, protocol: "ttrpc", isResumed, openCalls: () => [{ method }] },
    destroy: () => void closed.push(peer),
  });
  const [old, caller, kept] = [connect("old"), connect("caller", false, "Resumed"), connect("kept", true)];
  world.connections = [old, caller];
  const agent = world.agent();
  const { losses } = await quiesce(agent.warmStart);
  expect(losses.map(({ kind, object }) => `${kind} ${object}`)).toContain("call WaitProcess of old");
  world.connections.push(connect("new"));
  await resumed({ epoch: 1, entropy }, agent);
  expect(closed).toEqual(["old"]);
  await quiesce(world.agent().warmStart);
  world.connections = [kept, connect("new")];
  await resumed({ epoch: 2, entropy });
  expect(closed).toEqual(["old", "kept"]);
});
