import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { temporaryDirectory } from "../../../image/testing/tree.ts";
import { BlockStore } from "../../engine/image/disk/block-store.ts";
import { ImageStore } from "../../engine/image/store/image-store.ts";
import type { ProcessRecord } from "../../engine/record/state-records.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { findProgram } from "../../vm/programs.ts";
import { runGuestctl } from "../testing/run-guestctl.ts";
import { pruneContainers } from "./ended-containers.ts";
import { pruneDisks } from "./unused-disks.ts";
import { pruneImages } from "./unused-images.ts";

const AT = "2026-11-25T00:00:00.000Z";
const [OLD, USED, ENDED, FREE] = ["1", "2", "3", "4"].map((digit) => `sha256:${digit.repeat(64)}`) as [
  string,
  string,
  string,
  string,
];

const launcher = join(import.meta.dirname, "../launch.cjs");

let folder: ReturnType<typeof temporaryDirectory>;
let store: StateStore;
let images: ImageStore;
beforeEach(() => {
  folder = temporaryDirectory();
  store = new StateStore(join(folder.path, `guestd-${process.geteuid?.()}`));
  images = new ImageStore(join(folder.path, "guestd/images"));
});
afterEach(() => folder[Symbol.dispose]());

/** Records a guest, which has ended with a cause if `why` is set. */
function guest(name: string, why?: string): void {
  store.claim(name);
  const address = `unix://${folder.path}/${name}.sock`;
  const size = { accelerator: "tcg", memoryMib: 512, cpus: 1, timeline: { listening: 1, check: 2 } };
  store.writeGuest({
    name,
    address,
    logAddress: address,
    ...size,
    bootedAt: AT,
    ...(why && { ended: { at: AT, why } }),
  });
}

function container(place: string, name: string, more: Partial<ProcessRecord> = {}): void {
  store.processes.write(place, {
    ...{ container: name, exec: name, args: ["sh"], image: "ended:1", terminal: false, startedAt: AT, kept: true },
    ...{ rootfs: "/r", env: [], cwd: "/", user: "", ...more },
  });
}

function image(digest: string, ...names: string[]): void {
  const staging = images.makeStaging();
  const layout = join(staging, "image");
  mkdirSync(join(layout, "blobs/sha256"), { recursive: true });
  writeFileSync(join(layout, "blobs/sha256", digest.slice(7)), digest.repeat(100));
  writeFileSync(join(layout, "index.json"), "{}");
  images.add(names[0] ?? "docker.io/library/new:1", digest, layout);
  for (const name of names) images.setName(name, digest);
}

const ended = { ended: { code: 0, at: AT } };

test("prune removes containers that have ended, with their outputs, and no others", () => {
  const output = join(folder.path, "output");
  writeFileSync(output, "x".repeat(5000));
  guest("dev");
  container("dev", "running");
  container("dev", "again", { ...ended, restarting: true });
  container("dev", "done", { ...ended, output });
  guest("dead", "it was killed");
  container("dead", "lost", ended);
  guest("silent", "it was killed");
  const { names, bytes } = pruneContainers(store);
  expect([names, bytes > 0]).toEqual([["done", "lost"], true]);
  expect(
    store.processes
      .list("dev")
      .map((each) => each.container)
      .toSorted(),
  ).toEqual(["again", "running"]);
  expect(store.endedGuests()).toEqual([]);
  expect(pruneContainers(store)).toEqual({ names: [], bytes: 0 });
});

test("prune removes images without a name, with --all those that no container uses or was made from", async () => {
  image(OLD);
  image(USED, "docker.io/library/used:1");
  image(ENDED, "docker.io/library/ended:1");
  image(FREE, "docker.io/library/free:1", "docker.io/library/new:1");
  using _use = images.use(images.find("used:1")?.image ?? expect.fail("not there"), "web");
  guest("dev");
  container("dev", "web", ended);
  expect(await pruneImages(images, store, false)).toEqual({ names: [OLD], bytes: 7100 });
  expect((await pruneImages(images, store, true)).names).toEqual([
    "docker.io/library/free:1",
    "docker.io/library/new:1",
  ]);
  expect(
    images
      .list()
      .map(({ digest }) => digest)
      .toSorted(),
  ).toEqual([USED, ENDED]);
});

test("prune removes disks that nothing uses", async () => {
  const disks = new BlockStore(join(folder.path, "roots"));
  for (const digit of ["a", "b"]) {
    const staging = disks.makeStaging();
    writeFileSync(join(staging, "root.erofs"), "disk");
    disks.add(digit.repeat(64), staging);
  }
  using _use = disks.use(disks.find("a".repeat(64)) ?? expect.fail("not there"), "web");
  expect(await pruneDisks(disks)).toEqual({ names: ["b".repeat(12)], bytes: 4 });
  expect(disks.list().map(({ id }) => id)).toEqual(["a".repeat(64)]);
});

test("system prune and container prune remove nothing without a terminal to ask on, and everything with --force", async () => {
  guest("dev");
  container("dev", "done", ended);
  const run = (...args: string[]) => runGuestctl(folder.path, args);
  const line = "nothing was removed; stdin is no terminal to ask on: repeat with --force";
  for (const [group = ""] of [["container"], ["system"], ["image"]]) {
    const asked = await run(group, "prune");
    expect(asked).toEqual({ stdout: "", stderr: `guestctl: ${group} prune: ${line}\n`, code: 1 });
  }
  const [first] = JSON.parse((await run("system", "df", "--json")).stdout).slice(1);
  expect(first).toEqual({ type: "containers", total: 1, active: 0, size: 0 });
  expect(await run("container", "prune", "--force")).toEqual({
    ...{ stdout: "container done\nreclaimed 0 B\n", stderr: "", code: 0 },
  });
  expect((await run("system", "df")).stdout).toMatch(/^TYPE +TOTAL +ACTIVE +SIZE\nimages +0 +0 +0 B\n/);
  expect((await run("system", "prune", "-af")).stdout).toBe("reclaimed 0 B\n");
});

const terminal = findProgram("script");
test.skipIf(terminal === undefined).each([
  ["Ctrl+D", "\x04", 1, "container prune: nothing was removed"],
  ["n", "n\n", 1, "container prune: nothing was removed"],
  ["y", "y\n", 0, "container done"],
] as const)(
  `container prune asks on a terminal; answer: %s${terminal ? "" : " (skipped: no script)"}`,
  async (_, key, code, line) => {
    guest("dev");
    container("dev", "done", ended);
    const command = `'${process.execPath}' '${launcher}' container prune`;
    const env = { ...process.env, XDG_RUNTIME_DIR: folder.path, XDG_CACHE_HOME: folder.path, SHELL: "/bin/sh" };
    const child = spawn(terminal ?? expect.fail(), ["-qefc", command, "/dev/null"], { env });
    let shown = "";
    let isTyped = false;
    child.stdout.on("data", (text) => {
      shown += text;
      if (isTyped || !shown.includes("[y/N] ")) return;
      isTyped = true;
      child.stdin.write(key);
    });
    expect(await once(child, "close")).toEqual([code, null]);
    expect(shown).toContain(line);
    expect(store.processes.list("dev")).toHaveLength(code);
  },
);
