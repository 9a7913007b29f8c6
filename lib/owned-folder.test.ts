import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { isRoot } from "./is-root.ts";
import { makeOwnedFolder, OWNER_NOTE, removeAbandonedFolders } from "./owned-folder.ts";

let parent: string;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "owned-folder-"));
});
afterEach(() => rmSync(parent, { recursive: true }));

/** Leaves a folder of a killed process behind; its file has to stay intact while others use it. */
async function leaveFolder(): Promise<string> {
  const module = JSON.stringify(join(import.meta.dirname, "owned-folder.ts"));
  const script = `import { writeFileSync } from "node:fs";
    const { makeOwnedFolder } = await import(${module});
    const folder = makeOwnedFolder(${JSON.stringify(join(parent, "guestd-x-"))});
    writeFileSync(folder + "/socket", "");
    process.send(folder);
    setInterval(() => undefined, 1000);`;
  const stdio = ["ignore", "inherit", "inherit", "ipc"] as const;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: [...stdio] });
  const [folder] = await once(child, "message");
  child.kill("SIGKILL");
  await once(child, "exit");
  return String(folder);
}

test("removes what a killed process left, but nothing of a running process or without a note", async () => {
  const left = await leaveFolder();
  const mine = makeOwnedFolder(join(parent, "guestd-x-"));
  const bare = join(parent, "guestd-x-bare");
  mkdirSync(bare, { mode: 0o700 });
  await removeAbandonedFolders(parent, "guestd-");
  expect([left, mine, bare].map((folder) => existsSync(folder))).toEqual([false, true, true]);
});

test("removes a folder of a process that was killed before it had written its note, once it is old", async () => {
  const names = ["guestd-x-abcdef", "guestd-x-noting", "guestd-x-filled", "guestd-100000", "other-x-abcdef"].map(
    (name) => join(parent, name),
  );
  for (const name of names) mkdirSync(name, { mode: 0o700 });
  writeFileSync(join(parent, "guestd-x-noting", OWNER_NOTE), "");
  writeFileSync(join(parent, "guestd-x-filled/file"), "");
  await removeAbandonedFolders(parent, "guestd-");
  expect(names.map((name) => existsSync(name))).toEqual([true, true, true, true, true]);
  vi.useFakeTimers({ now: Date.now() + 61_000, toFake: ["Date"] });
  onTestFinished(() => void vi.useRealTimers());
  await removeAbandonedFolders(parent, "guestd-");
  expect(names.map((name) => existsSync(name))).toEqual([false, false, true, true, true]);
});

test("removes them when another process creates a folder of the same kind", async () => {
  const left = await leaveFolder();
  makeOwnedFolder(join(parent, "guestd-y-"));
  await expect.poll(() => existsSync(left)).toBe(false);
});

test("keeps folders that others can access, links to them, and those of another pid namespace or boot", async () => {
  const note = (folder: string, change: object) => {
    const path = join(folder, ".owner.json");
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...change }));
    return folder;
  };
  const far = note(await leaveFolder(), { namespace: "pid:[1]" });
  const old = note(await leaveFolder(), { boot: "another" });
  const open = await leaveFolder();
  chmodSync(open, 0o755);
  const linked = await leaveFolder();
  const elsewhere = mkdtempSync(join(tmpdir(), "owned-folder-"));
  symlinkSync(linked, join(elsewhere, "guestd-x-link"));
  await removeAbandonedFolders(elsewhere, "guestd-");
  expect(existsSync(join(linked, "socket"))).toBe(true);
  await removeAbandonedFolders(parent, "guestd-");
  expect([open, far, old].map((folder) => existsSync(join(folder, "socket")))).toEqual([true, true, true]);
  expect(existsSync(linked)).toBe(false);
  rmSync(elsewhere, { recursive: true });
});

test.skipIf(!isRoot())(`leaves no folder on a full disk${isRoot() ? "" : " (skipped: needs root)"}`, () => {
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", parent]);
  try {
    expect(() => writeFileSync(join(parent, "filler"), Buffer.alloc(1 << 20))).toThrow("ENOSPC");
    expect(() => makeOwnedFolder(join(parent, "guestd-full-"))).toThrow(
      `${parent}: the disk is full; free some space there`,
    );
    expect(readdirSync(parent)).toEqual(["filler"]);
  } finally {
    execFileSync("umount", [parent]);
  }
});
