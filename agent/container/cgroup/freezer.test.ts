import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, expect, it } from "vitest";
import type { Files } from "../../kernel/files.ts";
import { Freezer } from "./freezer.ts";

const CGROUP = "/sys/fs/cgroup/c1";
let state: string | undefined;
let told: boolean[];
let obeys: boolean;
let freezer: Freezer;
const note = (held: boolean) => void told.push(held);
const never = new AbortController().signal;

beforeEach(() => {
  [state, told, obeys] = ["0", [], true];
  const files: Pick<Files, "exists" | "readText" | "writeText"> = {
    exists: () => state !== undefined,
    readText: (path) => {
      if (state === undefined) throw Object.assign(new Error("ENOENT"), { errno: -2 });
      return path.endsWith("events") ? `populated 1\nfrozen ${obeys ? state : 0}\n` : `${state}\n`;
    },
    writeText: (_, text) => {
      if (state === undefined) throw Object.assign(new Error("ENOENT"), { errno: -2 });
      state = text;
    },
  };
  freezer = new Freezer(files as Files, CGROUP);
});

it("freezes a cgroup for a hold and thaws it afterwards", async () => {
  const release = await freezer.hold(note, never);
  expect([state, told]).toEqual(["1", [true]]);
  await release();
  expect([state, told]).toEqual(["0", [true, false]]);
});

it("makes a pause wait for holds, and keeps a paused cgroup frozen", async () => {
  const first = await freezer.hold(note, never);
  const second = freezer.hold(note, never);
  let paused = false;
  const pause = freezer.set(true, never).then(() => (paused = true));
  await first();
  await (await second)();
  expect(paused).toBe(false);
  await pause;
  const third = await freezer.hold(note, never);
  await third();
  expect([state, told]).toEqual(["1", [true, false, true, false]]);
});

it("freezes nothing for a caller that aborted while waiting", async () => {
  const release = await freezer.hold(note, never);
  const gone = new AbortController();
  const waiting = [freezer.set(true, gone.signal), freezer.hold(note, gone.signal)];
  gone.abort();
  for (const each of waiting) await expect(each).rejects.toThrow("aborted");
  await release();
  await sleep(0);
  expect([state, told]).toEqual(["0", [true, false]]);
});

it("thaws a cgroup that did not freeze before the caller aborted", async () => {
  obeys = false;
  const end = AbortSignal.timeout(20);
  await expect(freezer.hold(note, end)).rejects.toThrow();
  await expect.poll(() => [state, told]).toEqual(["0", [true, false]]);
});

it("holds nothing if the cgroup is removed before or during the hold", async () => {
  const release = await freezer.hold(note, never);
  state = undefined;
  await release();
  await (await freezer.hold(note, never))();
  expect(told).toEqual([true, false]);
});

it("thaws a cgroup that a previous agent was killed while holding, and notes that", async () => {
  state = "1";
  await freezer.endHold(note);
  expect([state, told]).toEqual(["0", [false]]);
  state = undefined;
  await freezer.endHold(note);
  expect(told).toEqual([false, false]);
});
