import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { removeAbandonedFolders } from "../../../lib/owned-folder.ts";
import { startedAt, thisProcess } from "../../../lib/process-owner.ts";
import { findLost } from "../supervisor/find-lost.ts";
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

/** Replaces a guest's owner by a live process with the same pid but another start time. */
function giveToAnother(name: string): void {
  writeFileSync(join(root, name, "owner.json"), JSON.stringify({ pid: process.pid, started: 1 }));
}

/** Names in the folder and in that of what isn't complete. */
function left(): readonly string[] {
  return [...readdirSync(root), ...readdirSync(join(root, ".staging"))].filter((name) => name !== ".staging");
}

test("lists nothing before the first write, and reading creates no files", () => {
  expect(store.guests()).toEqual([]);
  expect(store.processes.list("a")).toEqual([]);
  expect(existsSync(root)).toBe(false);
});

test("other commands find a guest as soon as it is up", () => {
  store.claim("one");
  expect(store.guests()).toEqual([]);
  store.writeGuest(guest("one"));
  expect(new StateStore(root).guests()).toEqual([guest("one")]);
  store.removeGuest("one");
  expect(store.guests()).toEqual([]);
});

test("a name can be claimed only once while its owner lives", () => {
  store.claim("one");
  expect(() => store.claim("one")).toThrow("guest one: name already in use; choose another");
});

test("a guest whose owner was killed counts as dead, even if the owner's pid was reused", () => {
  store.claim("one");
  store.writeGuest(guest("one"));
  giveToAnother("one");
  expect(store.guests()).toEqual([]);
  expect(store.endedGuests()).toMatchObject([{ name: "one", ended: { why: "the guestctl that kept it was killed" } }]);
  store.claim("one");
  expect(store.endedGuests()).toEqual([]);
});

test("a guest that was being powered off when its owner was killed has not died: nothing of it is kept", () => {
  store.claim("one");
  store.writeGuest(guest("one"));
  store.noteEnding("one");
  giveToAnother("one");
  expect([...store.guests(), ...store.endedGuests()]).toEqual([]);
  expect(left()).toEqual([]);
});

test("a released guest runs without its owner until its monitor ends", () => {
  store.claim("one");
  store.writeGuest(guest("one"));
  store.noteReleased("one", { monitor: thisProcess() });
  giveToAnother("one");
  expect([...store.guests(), ...store.unkept()].map(({ name }) => name)).toEqual(["one", "one"]);
  expect(() => store.claim("one")).toThrow("guest one: name already in use; choose another");
  store.noteReleased("one", { monitor: { pid: process.pid, started: 1 } });
  expect([...store.guests(), ...store.unkept()]).toEqual([]);
});

test.each([
  [0o700, "guest: QEMU ended with SIGKILL, while no guestctl kept it", "SIGQUIT"],
  [0o755, "the guestctl that kept it was killed", "SIGTERM"],
])(
  "programs and folder that a released guest has left are ended and removed only if the folder is private: %o",
  async (mode, why, end) => {
    const folder = join(root, "..", "vm");
    mkdirSync(folder, { mode });
    const program = spawn("sleep", ["1000"], { stdio: "ignore" });
    const exited = once(program, "exit");
    onTestFinished(() => void program.kill("SIGKILL"));
    await once(program, "spawn");
    const pid = program.pid ?? 0;
    const monitor = { pid, started: startedAt(pid) };
    writeFileSync(
      join(folder, "released.json"),
      JSON.stringify({
        qemu: { name: "QEMU", place: join(folder, "qemu") },
        vsock: { program: { monitor } },
        shares: [],
      }),
    );
    writeFileSync(join(folder, "qemu.end"), "signal 9\n");
    store.claim("one");
    store.writeGuest({ ...guest("one"), control: join(folder, "qmp.sock"), monitor: { pid: process.pid, started: 1 } });
    giveToAnother("one");
    expect(store.endedGuests()).toMatchObject([{ ended: { why } }]);
    expect(existsSync(folder)).toBe(mode === 0o755);
    program.kill("SIGTERM");
    expect(await exited).toEqual([null, end]);
  },
);

test("a claim whose owner was killed before the guest was up leaves no files", () => {
  store.claim("one");
  giveToAnother("one");
  expect([store.guests(), store.endedGuests(), left()]).toEqual([[], [], []]);
});

test("a write for a guest whose record was removed meanwhile makes no new one", () => {
  store.claim("one");
  store.writeGuest(guest("one"));
  store.removeGuest("one");
  for (const late of [
    () => store.writeGuest(guest("one")),
    () => store.processes.claim("one", process_("web", "web")),
    () => store.processes.write("one", process_("web", "web")),
    () => store.reclaim("one"),
  ])
    expect(late).toThrow("guest one: it has ended meanwhile");
  store.noteEnding("one");
  store.closeGuest("one", "it died");
  expect(left()).toEqual([]);
});

test("a process killed while it claims or removes a name leaves the name free, and no files", async () => {
  const module = JSON.stringify(join(import.meta.dirname, "state-store.ts"));
  const script = `const { StateStore } = await import(${module});
    const store = new StateStore(${JSON.stringify(root)});
    for (process.send("ready"); ; store.removeGuest("one")) store.claim("one");`;
  for (let kill = 0; kill < 10; kill++) {
    const stdio = ["ignore", "inherit", "inherit", "ipc"] as const;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: [...stdio] });
    await once(child, "message");
    await new Promise((resolve) => setTimeout(resolve, kill * 3));
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(store.guests()).toEqual([]);
    store.claim("one");
    store.removeGuest("one");
  }
  vi.useFakeTimers({ now: Date.now() + 61_000, toFake: ["Date"] }); // a folder without a note has to be old
  onTestFinished(() => void vi.useRealTimers());
  await removeAbandonedFolders(join(root, ".staging"), "making-");
  expect(left()).toEqual([]);
});

test("a directory without an owner, which an older version has left, does not keep its name", () => {
  store.claim("one");
  writeFileSync(join(root, "one", "console.log"), "");
  rmSync(join(root, "one", "owner.json"));
  expect(store.guests()).toEqual([]);
  store.claim("one");
  expect(readdirSync(join(root, "one"))).toEqual(["owner.json"]);
});

test("powering off a guest removes its record, or keeps it until its last kept container is removed", () => {
  for (const name of ["one", "two"]) {
    store.claim(name);
    store.writeGuest(guest(name));
    store.processes.write(name, process_("web", "web"));
  }
  store.processes.write("two", { ...process_("db", "db"), kept: true, ended: { code: 3, at: "" } });
  store.closeGuest("one");
  store.closeGuest("two");
  expect(left()).toEqual(["two"]);
  expect(store.processes.list("two").map(({ container, ended }) => [container, ended?.code])).toEqual([["db", 3]]);
  expect(() => store.claim("two")).toThrow("guest two: name still used by ended containers; guestctl rm db, or choose");
  store.removeProcess("two", { container: "db", exec: "db" });
  expect(left()).toEqual([]);
});

test("keeps dead guests that have kept containers, and the last ten without any", () => {
  for (let index = 0; index <= 12; index++) {
    const name = `g${index}`;
    store.claim(name);
    store.writeGuest(guest(name));
    if (index === 0) store.processes.write(name, { ...process_("web", "web"), kept: true });
    store.closeGuest(name, `reason ${index}`);
  }
  expect(store.endedGuests()).toHaveLength(11);
  expect(store.processes.list("g0")).toMatchObject([{ ended: { code: LOST, why: "reason 0" } }]);
});

test("a container's name can be claimed once, and what a killed claimant began is left to the supervisor", () => {
  const claim = { ...process_("web", "web"), starting: true, keeper: thisProcess() } as const;
  store.claim("one");
  store.writeGuest(guest("one"));
  store.processes.claim("one", claim);
  const again = () => store.processes.claim("one", claim);
  expect(again).toThrow("container web: name already in use in guest one; choose another, or guestctl rm web");
  expect(findLost(store)).toEqual([]);
  store.processes.write("one", { ...claim, kept: true, keeper: { ...claim.keeper, started: 1 } });
  expect(findLost(store)).toEqual([{ guest: "one", id: "web", isEnded: false }]);
  store.closeGuest("one", "it died");
  expect(store.processes.list("one")).toEqual([]);
});

test("recording an end keeps the first one, and does nothing after the removal", () => {
  store.claim("one");
  store.processes.write("one", process_("web", "web"));
  store.processes.end("one", process_("web", "web"), { code: 1, at: "" });
  store.processes.end("one", process_("web", "web"), { code: 2, at: "" });
  expect(store.processes.list("one")).toMatchObject([{ ended: { code: 1 } }]);
  store.removeProcess("one", process_("web", "web"));
  store.processes.end("one", process_("web", "web"), { code: 3, at: "" });
  expect(store.processes.list("one")).toEqual([]);
});

test("a name claimed by a dead process is free again", () => {
  store.claim("one");
  giveToAnother("one");
  store.claim("one");
  expect(store.owner("one")?.pid).toBe(process.pid);
});

test("lists processes oldest first, and removing a container removes its execs", () => {
  store.claim("one");
  store.processes.write("one", process_("web", "web", "2026-11-25T00:00:01.000Z"));
  store.processes.write("one", process_("web", "x-1", "2026-11-25T00:00:03.000Z"));
  store.processes.write("one", process_("db", "db", "2026-11-25T00:00:02.000Z"));
  expect(store.processes.list("one").map(({ exec }) => exec)).toEqual(["web", "db", "x-1"]);
  store.removeProcess("one", { container: "db", exec: "x-1" });
  expect(store.processes.list("one")).toHaveLength(3);
  store.removeProcess("one", { container: "web", exec: "web" });
  expect(store.processes.list("one").map(({ exec }) => exec)).toEqual(["db"]);
});

test("only the owner can read environments", () => {
  store.claim("one");
  store.processes.write("one", process_("web", "web"));
  expect(statSync(root).mode & 0o777).toBe(0o700);
  expect(statSync(join(root, "one", "process-web.json")).mode & 0o777).toBe(0o600);
});

test("refuses a directory that other users can read", () => {
  store.claim("one");
  chmodSync(root, 0o755);
  for (const use of [() => store.writeGuest(guest("one")), () => store.guests(), () => store.processes.list("one")]) {
    expect(use).toThrow("other users can access it");
  }
});

test("names a damaged file", () => {
  store.claim("one");
  writeFileSync(join(root, "one", "guest.json"), "{");
  expect(() => store.guests()).toThrow(`${join(root, "one", "guest.json")}: the record is damaged; remove the file`);
});

test("a kept container's own guest is claimed again once its owner has ended, by one process", () => {
  store.claim("web");
  store.reclaim("web");
  expect(store.owner("web")).toEqual(thisProcess());
  giveToAnother("web");
  store.reclaim("web");
  expect(store.owner("web")).toEqual(thisProcess());
  giveToAnother("web");
  writeFileSync(join(root, "web", "next-owner.json"), JSON.stringify(thisProcess()));
  expect(() => store.reclaim("web")).toThrow("guest web: name already in use; choose another");
  writeFileSync(join(root, "web", "next-owner.json"), JSON.stringify({ pid: process.pid, started: 1 }));
  store.reclaim("web");
  expect(readdirSync(join(root, "web"))).toEqual(["owner.json"]);
});
