import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { thisProcess } from "../../lib/process-owner.ts";
import type { GuestRecord, ProcessRecord } from "./state-records.ts";
import { LOST, StateStore } from "./state-store.ts";

let root: string;
let store: StateStore;

beforeEach(() => {
  root = join(mkdtempSync(join(tmpdir(), "guestctl-state-")), "guestd-0");
  store = new StateStore(root);
});
afterEach(() => rmSync(join(root, ".."), { recursive: true }));

function guest(name: string): GuestRecord {
  return {
    name,
    address: `unix:///${name}`,
    logAddress: `unix:///${name}-log`,
    folder: "/nowhere",
    accelerator: "tcg",
    memoryMib: 512,
    cpus: 1,
    timeline: { listening: 1, check: 2 },
    bootedAt: "2026-11-25T00:00:00.000Z",
  };
}

function process_(container: string, exec: string, startedAt = "2026-11-25T00:00:00.000Z"): ProcessRecord {
  const rest = { args: ["sh"], image: "i", terminal: false, rootfs: "/r", env: ["A=1"], cwd: "/", user: "" };
  return { container, exec, startedAt, ...rest };
}

/** A pid that is a live process, but not the one that was meant. */
function giveToAnother(name: string): void {
  writeFileSync(join(root, name, "owner.json"), JSON.stringify({ pid: process.pid, started: 1 }));
}

test("there is nothing before anything was written, and nothing is made by looking", () => {
  expect(store.guests()).toEqual([]);
  expect(store.processes("a")).toEqual([]);
  expect(existsSync(root)).toBe(false);
});

test("a guest is found by other commands from the moment that it is up", () => {
  store.claim("one");
  expect(store.guests()).toEqual([]);
  store.writeGuest(guest("one"));
  expect(new StateStore(root).guests()).toEqual([guest("one")]);
  store.removeGuest("one");
  expect(store.guests()).toEqual([]);
});

test("a name can be claimed once while its owner lives", () => {
  store.claim("one");
  expect(() => store.claim("one")).toThrow("guest one: that name is taken: choose another");
});

test("a guest whose owner was killed has died, also when its pid is another process by now", () => {
  store.claim("one");
  store.writeGuest(guest("one"));
  giveToAnother("one");
  expect(store.guests()).toEqual([]);
  expect(store.endedGuests()).toMatchObject([{ name: "one", ended: { why: "the guestctl that kept it was killed" } }]);
  store.claim("one");
  expect(store.endedGuests()).toEqual([]);
});

test("one that was killed before its guest was up leaves nothing", () => {
  store.claim("one");
  giveToAnother("one");
  expect([store.guests(), store.endedGuests(), readdirSync(root)]).toEqual([[], [], []]);
});

test("a guest that is powered off goes, but for containers that are kept, and with the last of those", () => {
  for (const name of ["one", "two"]) {
    store.claim(name);
    store.writeGuest(guest(name));
    store.writeProcess(name, process_("web", "web"));
  }
  store.writeProcess("two", { ...process_("db", "db"), kept: true, ended: { code: 3, at: "" } });
  store.closeGuest("one");
  store.closeGuest("two");
  expect(readdirSync(root)).toEqual(["two"]);
  expect(store.processes("two").map(({ container, ended }) => [container, ended?.code])).toEqual([["db", 3]]);
  expect(() => store.claim("two")).toThrow("guest two: that name is taken by what ended: guestctl rm db, or choose");
  store.removeProcess("two", { container: "db", exec: "db" });
  expect(readdirSync(root)).toEqual([]);
});

test("a guest that died stays with what a container that is kept was told of it; of guests without any the last ten", () => {
  for (let index = 0; index <= 12; index++) {
    const name = `g${index}`;
    store.claim(name);
    store.writeGuest(guest(name));
    if (index === 0) store.writeProcess(name, { ...process_("web", "web"), kept: true });
    store.closeGuest(name, `reason ${index}`);
  }
  expect(store.endedGuests()).toHaveLength(11);
  expect(store.processes("g0")).toMatchObject([{ ended: { code: LOST, why: "reason 0" } }]);
});

test("a container's name in a guest is one process's, which gives it back when it is killed before its container was there", () => {
  const claim = { ...process_("web", "web"), starting: true, keeper: thisProcess() } as const;
  store.claimProcess("one", claim);
  const again = () => store.claimProcess("one", claim);
  expect(again).toThrow("container web: that name is taken in guest one: choose another, or guestctl rm web");
  store.writeProcess("one", { ...claim, keeper: { ...claim.keeper, started: 1 } });
  again();
  expect(store.processes("one")).toHaveLength(1);
});

test("an end that comes after the removal changes nothing, and the first end counts", () => {
  store.writeProcess("one", process_("web", "web"));
  store.endProcess("one", process_("web", "web"), { code: 1, at: "" });
  store.endProcess("one", process_("web", "web"), { code: 2, at: "" });
  expect(store.processes("one")).toMatchObject([{ ended: { code: 1 } }]);
  store.removeProcess("one", process_("web", "web"));
  store.endProcess("one", process_("web", "web"), { code: 3, at: "" });
  expect(store.processes("one")).toEqual([]);
});

test("a name that a dead process had claimed is free", () => {
  store.claim("one");
  giveToAnother("one");
  store.claim("one");
  expect(store.owner("one")?.pid).toBe(process.pid);
});

test("processes come oldest first, and a container takes its execs along", () => {
  store.writeProcess("one", process_("web", "web", "2026-11-25T00:00:01.000Z"));
  store.writeProcess("one", process_("web", "x-1", "2026-11-25T00:00:03.000Z"));
  store.writeProcess("one", process_("db", "db", "2026-11-25T00:00:02.000Z"));
  expect(store.processes("one").map(({ exec }) => exec)).toEqual(["web", "db", "x-1"]);
  store.removeProcess("one", { container: "db", exec: "x-1" });
  expect(store.processes("one")).toHaveLength(3);
  store.removeProcess("one", { container: "web", exec: "web" });
  expect(store.processes("one").map(({ exec }) => exec)).toEqual(["db"]);
});

test("environments stay between us", () => {
  store.writeProcess("one", process_("web", "web"));
  expect(statSync(root).mode & 0o777).toBe(0o700);
  expect(statSync(join(root, "one", "process-web.json")).mode & 0o777).toBe(0o600);
});

test("a directory that others can read is not used", () => {
  store.directory("one");
  chmodSync(root, 0o755);
  for (const use of [() => store.writeGuest(guest("one")), () => store.guests(), () => store.processes("one")]) {
    expect(use).toThrow("others can reach it");
  }
});

test("a damaged file is named", () => {
  store.claim("one");
  writeFileSync(join(root, "one", "guest.json"), "{");
  expect(() => store.guests()).toThrow(`${join(root, "one", "guest.json")}: it is damaged: remove it`);
});
