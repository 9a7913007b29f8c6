import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeSharedFolder, moveIn, removeContainer, rootfsPlace, type SharedFolder } from "./shared-folder.ts";

let folder: SharedFolder;

beforeEach(async () => {
  folder = await makeSharedFolder();
});
afterEach(() => folder.remove());

test("places a rootfs where Kata's hosts do", () => {
  expect(rootfsPlace("/folder", "c1")).toEqual({
    host: "/folder/shared/c1/rootfs",
    guest: "/run/kata-containers/shared/containers/c1/rootfs",
  });
});

test("removes a shared folder with its content", async () => {
  mkdirSync(join(folder.share.directory, "c1"));
  await folder.remove();
  await folder.remove();
  expect(existsSync(folder.directory)).toBe(false);
});

test("a guest that makes its share accessible to all does not expose it to other users of the host", () => {
  writeFileSync(join(folder.share.directory, "tool"), "", { mode: 0o755 });
  chmodSync(join(folder.share.directory, "tool"), 0o4755);
  chmodSync(folder.share.directory, 0o777);
  expect(join(folder.share.directory, "..")).toBe(folder.directory);
  expect(statSync(folder.directory).mode & 0o777).toBe(0o700);
});

test("neither follows nor replaces what a guest put in a container's place", async () => {
  const outside = join(folder.directory, "outside");
  mkdirSync(outside);
  const plants: ((place: string) => void)[] = [
    (place) => symlinkSync(outside, place),
    (place) => symlinkSync("/nonexistent", place),
    (place) => writeFileSync(place, ""),
    (place) => mkdirSync(join(place, "rootfs"), { recursive: true }),
  ];
  for (const [at, plant] of plants.entries()) {
    const made = join(folder.directory, `made-${at}`);
    mkdirSync(made);
    plant(join(folder.share.directory, `c${at}`));
    await expect(moveIn(folder.directory, `c${at}`, made)).rejects.toThrow(
      `container c${at}: name already in use in the guest's shared folder; choose another`,
    );
    await removeContainer(folder.directory, `c${at}`);
    await moveIn(folder.directory, `c${at}`, made);
    expect(lstatSync(join(folder.share.directory, `c${at}`)).isDirectory()).toBe(true);
  }
  expect(readdirSync(outside)).toEqual([]);
});

test("removes links that a guest left, but not their targets", async () => {
  const outside = join(folder.directory, "outside");
  mkdirSync(join(outside, "rootfs"), { recursive: true });
  symlinkSync(outside, join(folder.share.directory, "c1"));
  await removeContainer(folder.directory, "c1");
  expect(() => readlinkSync(join(folder.share.directory, "c1"))).toThrow("ENOENT");
  expect(readdirSync(outside)).toEqual(["rootfs"]);
});
