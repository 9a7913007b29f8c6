import { expect, test } from "vitest";
import { SystemError } from "../kernel/error.ts";
import type { Files } from "../kernel/files.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { createSysDouble } from "../kernel/testing/sys-double.ts";
import { diskDriver } from "./disk-driver.ts";
import { defaultImageSettings } from "./image/image-settings.ts";
import type { PlacedStorage } from "./storage.ts";

const VERITY = [
  ...["X-kata.dmverity-enabled=true", `X-kata.dmverity.roothash=${"ab".repeat(32)}`],
  ...["X-kata.dmverity.hashoffset=8192", "X-kata.dmverity.no-superblock=true"],
];
const storage = (options: readonly string[], driverOptions: readonly string[] = []): PlacedStorage => ({
  ...{ driver: "blk", source: "/dev/vdb", fstype: "ext4", mountPoint: "/data", shared: false, container: "c" },
  options,
  driverOptions,
});

function machine() {
  const sys = createSysDouble();
  const nothing = () => undefined;
  const files = { exists: () => false, makeDirectory: nothing, removeDirectory: nothing } as Partial<Files>;
  const kernel = { sys, files } as unknown as Kernel;
  const { mount, release } = diskDriver("blk");
  const calls = () => sys.calls.map(([name, ...args]) => `${name} ${args.slice(0, 3).map(String).join(" ")}`);
  return {
    ...{ sys, calls },
    mount: (one: PlacedStorage) => mount(kernel, one, { images: defaultImageSettings }),
    release: (one: PlacedStorage) => release?.(kernel, one),
  };
}

test("a disk with hashes is mounted read-only through a dm-verity device, which is removed with it", async () => {
  const { sys, mount, release } = machine();
  const disk = storage(["noatime", ...VERITY]);
  await mount(disk);
  await release(disk);
  const [map, mounted, unmap] = sys.calls;
  expect(map).toMatchObject(["mapDevice", expect.stringMatching(/^kata-verity-/), { type: "verity", sectors: 16 }]);
  expect(mounted).toEqual(["mount", "/dev/dm-0", "/data", "ext4", 1025, ""]);
  expect(unmap).toEqual(["unmapDevice", map?.[1]]);
});

test("the dm-verity device is removed if the mount fails, and the error explains what dm-verity does", async () => {
  const { sys, calls, mount } = machine();
  sys.script("mount", new SystemError("mount", 5, "/data"));
  await expect(mount(storage(VERITY))).rejects.toThrow(
    "blk storage: ext4 on /dev/dm-0 with ro: mount /data: EIO (i/o error); dm-verity of /dev/vdb blocks data that",
  );
  expect(calls().at(-1)).toMatch(/^unmapDevice kata-verity-/);
});

test("without hashes, no device is created or removed", async () => {
  const { calls, mount, release } = machine();
  await mount(storage([]));
  await release(storage([]));
  expect(calls()).toEqual(["mount /dev/vdb /data ext4"]);
});

test.each<[string, PlacedStorage, string]>([
  ["an option for layers", storage(["X-kata.partition-number=1"]), 'option "X-kata.partition-number" is for layers'],
  ["a directory to create", storage(["X-kata.mkdir.path=/x"]), 'option "X-kata.mkdir.path" is for layers'],
  ["hashes without dm-verity enabled", storage(VERITY.slice(1)), "needs X-kata.dmverity-enabled=true"],
  ["a file system to create on a disk with hashes", storage(VERITY, ["create_filesystem"]), "with dm-verity"],
])("%s: refuses the disk and does nothing", async (_, one, why) => {
  const { calls, mount } = machine();
  await expect(mount(one)).rejects.toThrow(why);
  expect(calls()).toEqual([]);
});
