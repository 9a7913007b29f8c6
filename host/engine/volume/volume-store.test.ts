import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, test } from "vitest";
import { temporaryDirectory } from "../../../image/testing/tree.ts";
import { OWNER_NOTE } from "../../../lib/owned-folder.ts";
import { removeUnused } from "../../folder-uses.ts";
import type { ProcessRecord } from "../record/state-records.ts";
import { StateStore } from "../record/state-store.ts";
import { useVolumes } from "./use-volumes.ts";
import { VolumeStore } from "./volume-store.ts";

let folder: ReturnType<typeof temporaryDirectory>;
let root = "";
let store: VolumeStore;
let state: StateStore;
beforeEach(() => {
  folder = temporaryDirectory();
  chmodSync(folder.path, 0o700);
  root = join(folder.path, "volumes");
  store = new VolumeStore(root);
  state = new StateStore(join(folder.path, "state"));
});
afterEach(() => folder[Symbol.dispose]());

/** Returns the path of a container's record. */
function recordOf(container: string): string {
  return state.processes.file("dev", { container, exec: container });
}

/** Records a container of a guest, with these volumes. */
function record(container: string, volumes: readonly string[], more: Partial<ProcessRecord> = {}): void {
  if (state.owner("dev") === undefined) {
    state.claim("dev");
    state.writeGuest({ name: "dev", bootedAt: "2026-01-01T00:00:00Z" } as never);
  }
  const known = { args: [], image: "", terminal: false, startedAt: "", rootfs: "", env: [], cwd: "/", user: "" };
  state.processes.write("dev", { container, exec: container, ...known, volumes, ...more });
}

test("a volume is created once, for its owner only, and open to all users of a container", () => {
  const made = store.create("data");
  writeFileSync(join(made.path, "file"), "kept");
  expect(store.create("data")).toEqual(made);
  expect(store.list()).toEqual([made]);
  expect(readFileSync(join(made.path, "file"), "utf8")).toBe("kept");
  expect([root, dirname(made.path), made.path].map((path) => statSync(path).mode & 0o777)).toEqual([
    0o700, 0o700, 0o755,
  ]);
  expect(readdirSync(root)).toEqual(["named"]);
});

test.each(["", ".", "..", "../x", "a/b", ".hidden", "-x", "a", "a\n", "a\0b", "x".repeat(101), "x".repeat(100_000)])(
  "refuses the name %j in one short line",
  async (name) => {
    const line = /^volume .{0,150}: not a valid name; use 2 to 100 letters/;
    expect(() => store.create(name)).toThrow(line);
    expect(() => store.use(name, "web", recordOf("web"))).toThrow(line);
    await expect(store.remove(name)).rejects.toThrow(line);
    expect(existsSync(join(folder.path, "x"))).toBe(false);
  },
);

test("a link, a file or another user's folder in a volume's place is refused, and nothing behind it is touched", async () => {
  const other = join(folder.path, "other");
  mkdirSync(join(other, "data"), { recursive: true });
  store.create("data");
  const place = join(root, "named/data");
  rmSync(place, { recursive: true });
  symlinkSync(other, place);
  for (const act of [() => store.create("data"), () => store.use("data", "web", recordOf("web")), () => store.list()])
    expect(act).toThrow(`${place}: not a directory; remove it`);
  await expect(store.remove("data")).rejects.toThrow("not a directory");
  rmSync(place);
  writeFileSync(place, "");
  await expect(store.remove("data")).rejects.toThrow("not a directory");
  rmSync(place);
  renameSync(other, place);
  chmodSync(place, 0o755);
  expect(() => store.use("data", "web", recordOf("web"))).toThrow("other users can access it");
  expect(readdirSync(place)).toEqual(["data"]);
});

/** Starts a container with volumes and records it, as a command does that ends then. */
function start(container: string, volumes: readonly string[], more: Partial<ProcessRecord> = {}): void {
  const wanted = volumes.map((name) => ({ name, guest: "/x", mode: "rw" }) as const);
  using used = useVolumes(wanted, { container, record: recordOf(container) }, store);
  record(container, used.recorded, more);
}

test("a volume isn't removed while a container on record uses it, running or ended, in any session's folder", async () => {
  store.create("data");
  start("web", ["logs", "data"]);
  start("old", ["data"], { kept: true, ended: { code: 0, at: "2026-01-01T00:00:00Z" } });
  start("other", ["data2"]);
  expect(store.get("data").containers).toEqual(["old", "web"]);
  await expect(store.remove("data")).rejects.toThrow("volume data: used by old, web; guestctl rm old web first");
  for (const container of ["web", "old"]) state.processes.remove("dev", { container, exec: container });
  await store.remove("data");
  await expect(store.remove("data")).rejects.toThrow(/^volume data: no such volume; guestctl volume ls lists them$/);
  expect(store.list().map(({ name, containers }) => [name, containers])).toEqual([
    ["data2", ["other"]],
    ["logs", []],
  ]);
});

test("runs of a container by its restart policy leave one note, and a container of its name without the volume none", async () => {
  const notes = () => readdirSync(join(root, "named/data/uses")).map((name) => name.replace(/-.*/, ""));
  for (let run = 0; run < 5; run++) start("web", ["data"]);
  expect(notes()).toEqual(["kept"]);
  start("web", ["logs"]);
  expect(store.get("data").containers).toEqual([]);
  expect(notes()).toEqual([]);
});

test("a container that was never recorded leaves no use", async () => {
  store.use("data", "web", recordOf("web"))[Symbol.dispose]();
  expect(readdirSync(join(root, "named/data/uses"))).toEqual([]);
});

test("a use that can't be read keeps the volume", async () => {
  start("web", ["data"]);
  const { path } = store.get("data");
  writeFileSync(recordOf("web"), "{");
  await expect(store.remove("data")).rejects.toThrow(`${recordOf("web")}: the record is damaged; remove the file`);
  const uses = join(root, "named/data/uses");
  const note = join(uses, readdirSync(uses)[0] ?? "");
  writeFileSync(note, "");
  await expect(store.remove("data")).rejects.toThrow(`${note}: the note is damaged; remove the file`);
  rmSync(uses, { recursive: true });
  writeFileSync(uses, "");
  await expect(store.remove("data")).rejects.toThrow("ENOTDIR");
  expect(existsSync(path)).toBe(true);
});

test("a volume isn't removed while a container is being started with it", async () => {
  {
    using used = useVolumes(
      [
        { name: "data", guest: "/data", mode: "ro" },
        { host: "/srv", guest: "/srv", mode: "rw" },
      ],
      { container: "web", record: recordOf("web") },
      store,
    );
    expect(used.folders).toEqual([
      { host: store.get("data").path, guest: "/data", mode: "ro" },
      { host: "/srv", guest: "/srv", mode: "rw" },
    ]);
    expect(used.recorded).toEqual(["data:/data:ro", "/srv:/srv"]);
    await expect(store.remove("data")).rejects.toThrow("volume data: used by web; guestctl rm web first");
    record("web", used.recorded);
  }
  await expect(store.remove("data")).rejects.toThrow("volume data: used by web");
});

test("a container can't start with a volume that is being removed, nor a second removal", () => {
  const { path } = store.create("data");
  removeUnused(dirname(path), () => {
    const line = "volume data: another process is removing it; try again";
    expect(() => store.use("data", "web", recordOf("web"))).toThrow(line);
    expect(removeUnused(dirname(path), () => expect.unreachable())).toBe(false);
    rmSync(dirname(path), { recursive: true });
  });
  expect(existsSync(path)).toBe(false);
});

test("one of several volumes that can't be used releases the others", async () => {
  const wanted = ["data", "../x"].map((name) => ({ name, guest: "/x", mode: "rw" }) as const);
  expect(() => useVolumes(wanted, { container: "web", record: recordOf("web") }, store)).toThrow("not a valid name");
  await store.remove("data");
});

test("a removal leaves nothing of odd names, modes, links and depths, and follows no link", async () => {
  const { path } = store.create("data");
  const outside = join(folder.path, "outside");
  mkdirSync(outside);
  writeFileSync(join(outside, "file"), "");
  symlinkSync(outside, join(path, "link"));
  for (const name of [
    Buffer.from("new\nline"),
    Buffer.from([0xff, 0xfe]),
    Buffer.from("-rf"),
    Buffer.from("x".repeat(255)),
  ])
    writeFileSync(Buffer.concat([Buffer.from(`${path}/`), name]), "");
  mkdirSync(join(path, ...Array.from({ length: 100 }, () => "deep")), { recursive: true });
  mkdirSync(join(path, "closed/below"), { recursive: true });
  chmodSync(join(path, "closed"), 0);
  chmodSync(path, 0);
  await store.remove("data");
  expect(readdirSync(root)).toEqual(["named"]);
  expect(readdirSync(outside)).toEqual(["file"]);
});

test("a killed removal leaves the volume whole or gone, and its files to the next removal", async () => {
  const { path } = store.create("data");
  for (let index = 0; index < 5000; index++) writeFileSync(join(path, `${index}`), "");
  const script = `
    const { VolumeStore } = await import(${JSON.stringify(join(import.meta.dirname, "volume-store.ts"))});
    await new VolumeStore(process.argv[1]).remove("data");`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, root], { stdio: "inherit" });
  while (existsSync(path) && child.exitCode === null) await new Promise(setImmediate);
  child.kill("SIGKILL");
  await once(child, "close");
  expect(store.list()).toEqual([]);
  expect(readdirSync(store.create("data").path)).toEqual([]);
  await store.remove("data");
  await expect.poll(() => readdirSync(root)).toEqual(["named"]);
});

test("a killed creator and a killed user leave a whole volume or none", async () => {
  const script = `
    const { VolumeStore } = await import(${JSON.stringify(join(import.meta.dirname, "volume-store.ts"))});
    const store = new VolumeStore(process.argv[1]);
    store.use("used", "web", process.argv[1] + "/none");
    console.log("used");
    for (let i = 0; ; i++) store.create("v" + i);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, root], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(createInterface(child.stdout), "line");
  await expect(store.remove("used")).rejects.toThrow("volume used: used by web");
  await expect.poll(() => store.list().length).toBeGreaterThan(20);
  child.kill("SIGKILL");
  await once(child, "close");
  for (const { path } of store.list()) expect(readdirSync(dirname(path))).toEqual(["data", "uses"]);
  for (const { name } of store.list()) await store.remove(name);
  store.create("next");
  // A process that is killed before it has noted whose its new folder is leaves that folder, with nothing else in it.
  const hasFiles = (name: string) => readdirSync(join(root, name)).some((file) => file !== OWNER_NOTE);
  await expect.poll(() => readdirSync(root).filter(hasFiles)).toEqual(["named"]);
});
