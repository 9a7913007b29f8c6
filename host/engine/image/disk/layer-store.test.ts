import { spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { OWNER_NOTE } from "../../../../lib/owned-folder.ts";
import { findProgram } from "../../../vm/programs.ts";
import { StateStore } from "../../record/state-store.ts";
import { makeFileSystem } from "./empty-file-system.ts";
import { bindLayer, discardLayer, LayerStore } from "./layer-store.ts";

const SIZE = 2 ** 30;
const NAME = { container: "web", exec: "web" };

function places() {
  const folder = mkdtempSync(join(tmpdir(), "layers-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const state = join(folder, "state");
  mkdirSync(state, { mode: 0o700 });
  const [root, store] = [join(folder, "layers"), new StateStore(state)];
  store.claim("guest");
  const record = store.processes.file("guest", NAME);
  const write = (layer: string) =>
    store.processes.write("guest", {
      ...{ ...NAME, args: [], image: "i", terminal: false, startedAt: "", rootfs: "/", env: [], cwd: "/", user: "" },
      layer,
    });
  return { root, store, record, write, layers: new LayerStore(root), names: () => readdirSync(root) };
}

function readHead(path: string): Buffer {
  const file = openSync(path, "r");
  const head = Buffer.alloc(1024);
  readSync(file, head, 0, head.length, 1024);
  closeSync(file);
  return head;
}

/** Creates a layer in a process that is killed. Returns its folder. */
function killedAfterOpen(root: string, record: string): string {
  const module = JSON.stringify(join(import.meta.dirname, "layer-store.ts"));
  const script = `
    const { LayerStore } = await import(${module});
    const layer = await new LayerStore(${JSON.stringify(root)}).open({ size: ${SIZE}, record: ${JSON.stringify(record)} });
    process.stdout.write(layer.folder, () => process.kill(process.pid, "SIGKILL"));`;
  return spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" }).stdout;
}

test("creates a sparse file that only this user can access, and removes it unless a record has it", async () => {
  const { layers, record, names } = places();
  const layer = await layers.open({ size: SIZE, record });
  const { size, blocks, mode } = statSync(layer.disk.file);
  expect([size, blocks < 1024, mode & 0o777]).toEqual([SIZE, true, 0o600]);
  expect(statSync(layer.folder).mode & 0o777).toBe(0o700);
  expect(layer.disk.serial).toMatch(/^[A-Za-z0-9]{6}$/);
  await discardLayer(layer);
  expect(names()).toEqual([]);
});

test("a layer that a record has is opened again, and removed with the record or its guest", async () => {
  const { layers, record, write, store, names } = places();
  const layer = await layers.open({ size: SIZE, record });
  write(layer.folder);
  await discardLayer(layer);
  expect(await layers.open({ size: 1, record, folder: layer.folder })).toEqual(layer);
  store.removeProcess("guest", NAME);
  expect(names()).toEqual([]);
  await expect(layers.open({ size: SIZE, record, folder: layer.folder })).rejects.toThrow(
    `${layer.disk.file}: the container's disk is gone; guestctl rm the container, then run it`,
  );
  const other = await layers.open({ size: SIZE, record });
  write(other.folder);
  store.removeGuest("guest");
  expect(names()).toEqual([]);
});

test("removes what killed processes left: a layer without a record, and one whose record is gone", async () => {
  const { root, layers, record, write, store } = places();
  const unnamed = killedAfterOpen(root, record);
  const named = killedAfterOpen(root, record);
  expect([unnamed, named].map(existsSync)).toEqual([false, true]);
  write(named);
  const mine = await layers.open({ size: SIZE, record });
  expect([named, mine.folder].map(existsSync)).toEqual([true, true]);
  rmSync(store.directory("guest"), { recursive: true });
  const next = await layers.open({ size: SIZE, record });
  expect([named, mine.folder, next.folder].map(existsSync)).toEqual([false, true, true]);
});

test("keeps layers of another pid namespace, such as a container's with the same home, until the next boot", async () => {
  const { layers, record } = places();
  const layer = await layers.open({ size: SIZE, record });
  rmSync(join(layer.folder, OWNER_NOTE)); // its record is out of sight
  const note = (change: object) => {
    const path = join(layer.folder, "note.json");
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...change }));
  };
  note({ namespace: "pid:[1]" });
  await layers.open({ size: SIZE, record });
  expect(existsSync(layer.disk.file)).toBe(true);
  note({ boot: "earlier" });
  await layers.open({ size: SIZE, record });
  expect(existsSync(layer.folder)).toBe(false);
});

test("copies a snapshot's disk without its holes", async () => {
  const { layers, record } = places();
  const layer = await layers.open({ size: SIZE, record });
  writeFileSync(layer.disk.file, "written", { flag: "r+" });
  const copy = await layers.copy(layer.disk.file, record);
  const { size, blocks, mode } = statSync(copy.disk.file);
  expect([size, blocks < 1024, mode & 0o777]).toEqual([SIZE, true, 0o600]);
  await using file = await open(copy.disk.file);
  expect((await file.read(Buffer.alloc(7), 0, 7, 0)).buffer.toString()).toBe("written");
  await expect(layers.copy("/nonexistent", record)).rejects.toThrow(/^copy \/nonexistent: .*No such file/);
});

test("a layer above another image than before is refused in one line", async () => {
  const { layers, record } = places();
  const layer = await layers.open({ size: SIZE, record });
  bindLayer(layer, "web", "a1");
  bindLayer(layer, "web", "a1");
  expect(() => bindLayer(layer, "web", "b2")).toThrow(
    "container web: its image has changed, and its files belong to the old one; guestctl rm web, then run it",
  );
});

test("has an empty ext4 of guestd's from the start where this machine can make one, and keeps its holes", async () => {
  const { layers, record } = places();
  const { disk } = await layers.open({ size: SIZE, record });
  const superblock = readHead(disk.file);
  const check = findProgram("e2fsck", ["/usr/sbin", "/sbin"]);
  expect(check).toBeDefined();
  expect([superblock.readUInt16LE(56), superblock.toString("latin1", 120, 127)]).toEqual([0xef53, "guestd\0"]);
  const { status, stdout } = spawnSync(check ?? "", ["-fn", disk.file], { encoding: "utf8" });
  expect([status, stdout]).toEqual([0, expect.stringContaining(" 11/")]);
  expect(statSync(disk.file).blocks * 512).toBeLessThan(SIZE / 1024);
});

test.each([
  ["doesn't start", undefined],
  ["fails half-way", 'for last; do :; done; head -c 4096 /dev/urandom >"$last"; exit 1'],
])("stays empty for the guest to make one if this machine's mkfs.ext4 %s", async (_, script) => {
  const { root } = places();
  mkdirSync(root);
  const [file, program] = [join(root, "disk"), join(root, "mkfs.ext4")];
  writeFileSync(file, "");
  truncateSync(file, SIZE);
  if (script !== undefined) writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  await makeFileSystem(file, program);
  const { size, blocks } = statSync(file);
  expect([size, blocks]).toEqual([SIZE, 0]);
});
