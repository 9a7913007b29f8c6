import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeRootfs, makeSharedFolder, rootfsPlace } from "./shared-folder.ts";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "guestd-folder-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test("a rootfs lies where Kata's hosts put it", () => {
  expect(rootfsPlace("/share", "c1")).toEqual({
    host: "/share/c1/rootfs",
    guest: "/run/kata-containers/shared/containers/c1/rootfs",
  });
});

test("a rootfs can be entered by every user of the container, whatever our umask is", async () => {
  const before = process.umask(0o077);
  const place = rootfsPlace(directory, "c1");
  await makeRootfs(place);
  process.umask(before);
  expect(statSync(place.host).mode & 0o777).toBe(0o755);
});

test("a shared folder is ours alone, and goes with what is in it", async () => {
  const folder = await makeSharedFolder();
  expect(statSync(folder.directory).mode & 0o777).toBe(0o700);
  mkdirSync(join(folder.directory, "c1"));
  await folder.remove();
  await folder.remove();
  expect(existsSync(folder.directory)).toBe(false);
});
