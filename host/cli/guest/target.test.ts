import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connectTo } from "../../engine/guest/guest-target.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { findAnyContainer, findContainer, findKeptTarget, findTarget } from "./target.ts";

let directory: string;
let store: StateStore;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "guestctl-target-"));
  store = new StateStore(join(directory, "state"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Adds a running guest with these containers. */
function add(name: string, ...containers: string[]): void {
  store.claim(name);
  const size = { accelerator: "tcg", memoryMib: 512, cpus: 1, timeline: { listening: 1, check: 2 } };
  const places = { address: `unix:///${name}`, logAddress: "unix:///log", folder: "/nowhere" };
  store.writeGuest({ name, ...places, ...size, bootedAt: "2026-11-25T00:00:00.000Z" });
  for (const container of containers) {
    const process = { container, exec: container, args: ["sh"], image: "i", terminal: false, startedAt: "" };
    store.processes.write(name, { ...process, rootfs: "/r", env: [], cwd: "/", user: "" });
  }
}

test("selects the only guest by default", () => {
  expect(() => findTarget(store, {})).toThrow("no guest is running; start one with guestctl boot");
  add("one");
  expect(findTarget(store, {}).address).toBe("unix:///one");
  add("two");
  expect(() => findTarget(store, {})).toThrow("several guests are running; add --guest with one of one, two");
  expect(findTarget(store, { guest: "two" }).address).toBe("unix:///two");
  expect(() => findTarget(store, { guest: "six" })).toThrow("guest six: not running; running guests: one, two");
});

test("uses an address unchanged", () => {
  expect(findTarget(store, { address: "unix:///a" })).toEqual({ address: "unix:///a" });
  expect(findContainer(store, { address: "unix:///a" }, "web")).toEqual({ address: "unix:///a", container: "web" });
  expect(() => findTarget(store, { address: "unix:///a", guest: "one" })).toThrow("give only one of them");
});

test("finds a container in any guest by its id, or by the beginning of a random one", () => {
  add("one", "web");
  add("two", "c-0a1b2c3d", "web-2");
  expect(findContainer(store, {}, "c-0a")).toMatchObject({ address: "unix:///two", container: "c-0a1b2c3d" });
  expect(findContainer(store, {}, "web").address).toBe("unix:///one");
});

test("a name that a user gave is never abbreviated, and no name for what ends a container", () => {
  add("one", "pgb", "c-0a1b2c3d");
  expect(() => findContainer(store, {}, "pg")).toThrow("container pg: not found; containers: c-0a1b2c3d, pgb");
  expect(() => findContainer(store, {}, "c-0a", "exact")).toThrow("container c-0a: not found");
  expect(() => findContainer(store, {}, "")).toThrow("not found");
});

test("an unknown or ambiguous container is reported with the candidates", () => {
  expect(() => findContainer(store, {}, "web")).toThrow("no guest is running");
  add("one");
  expect(() => findContainer(store, {}, "web")).toThrow("container web: not found; no guest has a container");
  add("two", "c-00000001", "c-00000002");
  expect(() => findContainer(store, {}, "c-0")).toThrow("ambiguous id: c-00000001 in two, c-00000002 in two");
  expect(() => findContainer(store, {}, "x")).toThrow("container x: not found; containers: c-00000001, c-00000002");
});

test("a guest's name stands for its only container, as clones have containers of the same id", () => {
  add("one", "box");
  add("two", "box");
  add("three", "box", "other");
  expect(findContainer(store, {}, "two")).toMatchObject({ address: "unix:///two", container: "box" });
  expect(findContainer(store, { guest: "one" }, "box").address).toBe("unix:///one");
  expect(() => findContainer(store, {}, "box")).toThrow(/box in one, box in three, box in two; add --guest/);
  expect(() => findContainer(store, {}, "three")).toThrow("container three: not found");
});

test("a container's own id goes before a guest's name", () => {
  add("one", "two");
  add("two", "box");
  expect(findContainer(store, {}, "two")).toMatchObject({ address: "unix:///one", container: "two" });
});

test("only commands that accept ended containers find one", () => {
  add("one", "web");
  store.processes.end("one", { container: "web", exec: "web" }, { code: 3, at: "" });
  expect(() => findContainer(store, {}, "web")).toThrow("container web: not running; it ended with exit code 3");
  expect(findAnyContainer(store, {}, "web").record?.ended?.code).toBe(3);
  add("two", "job");
  const [record] = store.processes.list("two").filter(({ container }) => container === "job");
  store.processes.write("two", { ...(record ?? expect.fail("no record")), request: {} });
  store.processes.end("two", { container: "job", exec: "job" }, { code: 0, at: "" });
  expect(() => findContainer(store, {}, "job")).toThrow("exit code 0; guestctl start job runs it again");
});

test("finds a dead guest only by its name, and only where that is allowed", () => {
  add("one");
  store.closeGuest("one", "QEMU ended");
  expect(() => findTarget(store, { guest: "one" })).toThrow("guest one: not running");
  expect(findKeptTarget(store, { guest: "one" }).guest?.ended?.why).toBe("QEMU ended");
  expect(() => findKeptTarget(store, {})).toThrow("no guest is running");
});

test("sends nothing to a socket that was replaced while connecting", async () => {
  const folder = join(directory, "vm");
  const path = join(folder, "vm.sock");
  mkdirSync(folder, { mode: 0o700 });
  // A guest whose socket accepts no more connections, so that the client retries.
  const serve = `require("node:net").createServer().listen({ path: process.argv[1], backlog: 1 }, () => {
    process.send("up", () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
  });`;
  const guest = spawn(process.execPath, ["-e", serve, path], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const waiting: Socket[] = [];
  const sent: Buffer[] = [];
  const other = createServer((socket) => socket.on("data", (data) => sent.push(data)).on("error", () => undefined));
  try {
    await once(guest, "message");
    for (let full = false; !full; ) {
      const socket = connect(path);
      waiting.push(socket);
      full = await new Promise((resolve) => {
        socket.once("connect", () => resolve(false)).once("error", () => resolve(true));
      });
    }
    add("one");
    const [record] = store.guests();
    if (record === undefined) throw new Error("the guest has no record");
    const connecting = connectTo({ address: `unix://${path}`, guest: record });
    const failed = expect(connecting).rejects.toThrow("guest one: its socket was replaced while connecting");
    renameSync(folder, join(directory, "gone"));
    mkdirSync(folder, { mode: 0o700 });
    await new Promise<void>((resolve) => other.listen(path, resolve));
    await failed;
    expect(sent).toEqual([]);
  } finally {
    for (const socket of waiting) socket.destroy();
    guest.kill("SIGKILL");
    await once(guest, "exit");
    await new Promise((resolve) => other.close(resolve));
  }
});
