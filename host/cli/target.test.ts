import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StateStore } from "./state-store.ts";
import { connectTo, findAnyContainer, findContainer, findKeptTarget, findTarget } from "./target.ts";

let directory: string;
let store: StateStore;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "guestctl-target-"));
  store = new StateStore(join(directory, "state"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A guest that runs, with these containers. */
function add(name: string, ...containers: string[]): void {
  store.claim(name);
  const size = { accelerator: "tcg", memoryMib: 512, cpus: 1, timeline: { listening: 1, check: 2 } };
  const places = { address: `unix:///${name}`, logAddress: "unix:///log", folder: "/nowhere" };
  store.writeGuest({ name, ...places, ...size, bootedAt: "2026-11-25T00:00:00.000Z" });
  for (const container of containers) {
    const process = { container, exec: container, args: ["sh"], image: "i", terminal: false, startedAt: "" };
    store.writeProcess(name, { ...process, rootfs: "/r", env: [], cwd: "/", user: "" });
  }
}

test("the only guest is meant where nothing is said", () => {
  expect(() => findTarget(store, {})).toThrow("no guest is running: start one with guestctl boot");
  add("one");
  expect(findTarget(store, {}).address).toBe("unix:///one");
  add("two");
  expect(() => findTarget(store, {})).toThrow("several guests are running: add --guest with one of one, two");
  expect(findTarget(store, { guest: "two" }).address).toBe("unix:///two");
  expect(() => findTarget(store, { guest: "six" })).toThrow("guest six: not running: there is one, two");
});

test("an address is taken as it is", () => {
  expect(findTarget(store, { address: "unix:///a" })).toEqual({ address: "unix:///a" });
  expect(findContainer(store, { address: "unix:///a" }, "web")).toEqual({ address: "unix:///a", container: "web" });
  expect(() => findTarget(store, { address: "unix:///a", guest: "one" })).toThrow("only one of them");
});

test("a container is found in whatever guest it is, by the beginning of its id", () => {
  add("one", "web");
  add("two", "database", "web-2");
  expect(findContainer(store, {}, "data")).toMatchObject({ address: "unix:///two", container: "database" });
  expect(findContainer(store, {}, "web").address).toBe("unix:///one");
  expect(findContainer(store, {}, "web-").address).toBe("unix:///two");
});

test("a container that is none or could be several is told with those that are there", () => {
  expect(() => findContainer(store, {}, "web")).toThrow("no guest is running");
  add("one");
  expect(() => findContainer(store, {}, "web")).toThrow("container web: not found: there is none");
  add("two", "web-1", "web-2");
  expect(() => findContainer(store, {}, "we")).toThrow("several are meant: web-1 in two, web-2 in two");
  expect(() => findContainer(store, {}, "x")).toThrow("container x: not found: there is web-1, web-2");
});

test("a container that ended is found by those commands that take one", () => {
  add("one", "web");
  store.endProcess("one", { container: "web", exec: "web" }, { code: 3, at: "" });
  expect(() => findContainer(store, {}, "web")).toThrow("container web: it is not running: it ended with exit code 3");
  expect(findAnyContainer(store, {}, "web").record?.ended?.code).toBe(3);
});

test("a guest that died is meant only by its name, where that is allowed", () => {
  add("one");
  store.closeGuest("one", "QEMU ended");
  expect(() => findTarget(store, { guest: "one" })).toThrow("guest one: not running");
  expect(findKeptTarget(store, { guest: "one" }).guest?.ended?.why).toBe("QEMU ended");
  expect(() => findKeptTarget(store, {})).toThrow("no guest is running");
});

test("a socket that is another one by the time it answers is sent nothing", async () => {
  const folder = join(directory, "vm");
  const path = join(folder, "vm.sock");
  mkdirSync(folder, { mode: 0o700 });
  // A guest whose socket takes no more connections: the client asks again and again.
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
    if (record === undefined) throw new Error("the guest is not noted");
    const connecting = connectTo({ address: `unix://${path}`, guest: record });
    const failed = expect(connecting).rejects.toThrow("guest one: its socket was replaced meanwhile");
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
