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

test("a rootfs lies where Kata's hosts put it", () => {
  expect(rootfsPlace("/folder", "c1")).toEqual({
    host: "/folder/shared/c1/rootfs",
    guest: "/run/kata-containers/shared/containers/c1/rootfs",
  });
});

test("a shared folder goes with what is in it", async () => {
  mkdirSync(join(folder.share.directory, "c1"));
  await folder.remove();
  await folder.remove();
  expect(existsSync(folder.directory)).toBe(false);
});

test("a guest that opens its share to everyone opens it to nobody on the host", () => {
  writeFileSync(join(folder.share.directory, "tool"), "", { mode: 0o755 });
  chmodSync(join(folder.share.directory, "tool"), 0o4755);
  chmodSync(folder.share.directory, 0o777);
  expect(join(folder.share.directory, "..")).toBe(folder.directory);
  expect(statSync(folder.directory).mode & 0o777).toBe(0o700);
});

test("what a guest has put in a container's place is neither followed nor replaced", async () => {
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
      `container c${at}: that name is taken in the guest's shared folder: choose another`,
    );
    await removeContainer(folder.directory, `c${at}`);
    await moveIn(folder.directory, `c${at}`, made);
    expect(lstatSync(join(folder.share.directory, `c${at}`)).isDirectory()).toBe(true);
  }
  expect(readdirSync(outside)).toEqual([]);
});

test("links that a guest leaves are removed, not what they point at", async () => {
  const outside = join(folder.directory, "outside");
  mkdirSync(join(outside, "rootfs"), { recursive: true });
  symlinkSync(outside, join(folder.share.directory, "c1"));
  await removeContainer(folder.directory, "c1");
  expect(() => readlinkSync(join(folder.share.directory, "c1"))).toThrow("ENOENT");
  expect(readdirSync(outside)).toEqual(["rootfs"]);
});
