import { expect, test } from "vitest";
import { AgentError, SystemError } from "../kernel/error.ts";
import type { Files } from "../kernel/files.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { FindDisk, Storage } from "./storage.ts";
import { storageNotices } from "./storage-notices.ts";
import { Storages } from "./storages.ts";

const findDisk: FindDisk = async (kind, source) => {
  if (source === "none") throw new AgentError("internal", "disk none: not there");
  return `/dev/${kind}-${source}`;
};

/** Records mounts; `refuse` may throw for one. */
function machine(
  mounts = "",
  refuse: (data: string) => void | Promise<void> = () => undefined,
  refuseUnmount: (target: string) => void = () => undefined,
) {
  const calls: string[] = [];
  const sys = {
    async openInside(_dir: number, path: string): Promise<number> {
      throw new SystemError("open", 2, path);
    },
    async mount(source: string, target: string, type: string, _flags: number, data: string) {
      await refuse(data);
      calls.push(`mount ${type} ${source} ${target} ${data}`.trimEnd());
    },
    async umount(target: string) {
      refuseUnmount(target);
      calls.push(`umount ${target}`);
    },
  };
  const nothing = () => undefined;
  const texts = { readText: () => mounts, mounts: () => mounts };
  const files = { ...texts, exists: () => false, makeDirectory: nothing, removeDirectory: nothing };
  const kernel = { sys, files: files as Partial<Files> } as unknown as Kernel;
  return { calls, storages: new Storages(kernel, findDisk) };
}

const tmpfs = (mountPoint: string, parts: Partial<Storage> = {}): Storage => ({
  driver: "ephemeral",
  driverOptions: [],
  source: "shm",
  fstype: "tmpfs",
  options: ["nodev", "size=1m"],
  mountPoint,
  shared: false,
  ...parts,
});

test("the first user mounts, the last release unmounts", async () => {
  const { calls, storages } = machine();
  await storages.acquire([tmpfs("/a")], "");
  await storages.acquire([tmpfs("/a")], "");
  await storages.release(["/a"]);
  expect(calls).toEqual(["mount tmpfs shm /a size=1m"]);
  await storages.release(["/a"]);
  expect(calls.at(-1)).toBe("umount /a");
});

test("if one can't be mounted, those before it are released", async () => {
  const { calls, storages } = machine();
  await expect(storages.acquire([tmpfs("/a"), tmpfs("/b", { driver: "nope" })], "")).rejects.toThrow(
    'storage driver "nope" is unknown; supported: virtio-fs, ephemeral, local',
  );
  expect(calls).toEqual([]);
  await expect(storages.acquire([tmpfs("/a"), tmpfs("/b", { fstype: "ext4" })], "")).rejects.toThrow("not supported");
  expect(calls).toEqual(["mount tmpfs shm /a size=1m", "umount /a"]);
  expect(storages.mountPoints).toEqual([]);
});

test("a new host name of the guest is written for containers that had the old one", async () => {
  const texts = new Map<string, string>();
  const files = {
    ...{ exists: () => false, makeDirectory: () => undefined, readText: () => "", mounts: () => "" },
    replace: (path: string, text: string) => void texts.set(path, text),
    rewrite: (path: string, text: string) => void texts.set(path, text),
    async readAtMost(path: string, limit: number) {
      const text = texts.get(path) ?? "";
      return text.length > limit ? undefined : text;
    },
  };
  const sys = { mount: async () => undefined, umount: async () => undefined };
  const named = new Storages({ sys, files } as unknown as Kernel, findDisk);
  const filesOf = (mountPoint: string, driverOptions: string[]) =>
    tmpfs(mountPoint, { driver: "files", driverOptions });
  await named.acquire([filesOf("/a", ["hosts=x\n", "hostname=old\n"]), filesOf("/b", ["hostname=own\n"])], "c");
  texts.set("/a/hosts", "x\n# the container's\n");
  await named.acquire([filesOf("/c", ["hosts=y\n"])], "d");
  texts.set("/c/hosts", "z".repeat(2 ** 20 + 1));
  await named.rename("old", "new");
  expect(Object.fromEntries([...texts].map(([path, text]) => [path, text.slice(0, 60)]))).toEqual({
    "/a/hosts": "x\n# the container's\n127.0.1.1 new\n",
    "/a/hostname": "new\n",
    "/b/hostname": "own\n",
    "/c/hosts": "z".repeat(60),
  });
});

test("a shared storage stays until the sandbox ends", async () => {
  const { calls, storages } = machine();
  await storages.acquire([tmpfs("/a", { shared: true })], "");
  await storages.release(["/a"]);
  expect(calls).toHaveLength(1);
  await storages.release(["/a"], true);
  expect(calls.at(-1)).toBe("umount /a");
});

test.each([
  ["a relative mount point", tmpfs("a"), "is not an absolute path"],
  ["a mount point with ..", tmpfs("/run/../proc"), 'contains ".." or a NUL byte'],
  ["the root", tmpfs("//"), "belongs to the guest itself"],
  ["/proc", tmpfs("/proc/"), "belongs to the guest itself"],
  ["a mount point below /sys", tmpfs("/sys/fs/cgroup"), "belongs to the guest itself"],
  ["the agent's state", tmpfs("/run/guestd/containers"), "belongs to the guest itself"],
  [
    "a driver option of a driver that has others",
    tmpfs("/a", { driver: "overlayfs", driverOptions: ["x=1"] }),
    'driver option "x=1" is not supported',
  ],
  ["an invalid group", tmpfs("/a", { options: ["fsgid=x"] }), 'fsgid="x" is not a group id'],
  ["a loop option", tmpfs("/a", { options: ["loop"] }), '"loop" is not supported'],
  ["a file system other than tmpfs", tmpfs("/a", { fstype: "ext4" }), '"ext4" is not supported'],
  [
    "a local storage with a bad mode",
    tmpfs("/a", { driver: "local", options: ["mode=x"] }),
    '"mode=x" is not mode=OCTAL',
  ],
  ["a bind mount of a relative source", tmpfs("/a", { driver: "bind", source: "x" }), '"x" is not an absolute path'],
  [
    "a bind mount of a missing path",
    tmpfs("/a", { driver: "bind", source: "/none", options: [] }),
    "open /none: ENOENT",
  ],
  ["a file without its text", tmpfs("/a", { driver: "files", driverOptions: ["hosts"] }), "hosts is not hosts=TEXT"],
  ["an init that is a text", tmpfs("/a", { driver: "files", driverOptions: ["init=x"] }), "init has no text"],
  ["another file", tmpfs("/a", { driver: "files", driverOptions: ["x=y"] }), 'driver option "x=y" is not supported'],
  [
    "a text that is too long",
    tmpfs("/a", { driver: "files", driverOptions: [`hosts=${"€".repeat(21_846)}`] }),
    "hosts has more than 65536 bytes",
  ],
  [
    "a bind mount with file system options",
    tmpfs("/a", { driver: "bind", source: "/" }),
    'a bind mount can\'t have option "size=1m"',
  ],
])("%s is refused", async (_, storage, message) => {
  await expect(machine().storages.acquire([storage], "")).rejects.toThrow(message);
});

const share = (options: string[]) =>
  tmpfs("/share/", { driver: "virtio-fs", source: "kataShared", fstype: "virtiofs", options });

async function noticesOf(work: () => Promise<unknown>): Promise<unknown[]> {
  const warnings: unknown[] = [];
  const note = (line: unknown) => warnings.push(line);
  storageNotices.subscribe(note);
  await work().finally(() => storageNotices.unsubscribe(note));
  return warnings;
}

test("unsupported driver options of a driver without any are ignored with a warning", async () => {
  const { calls, storages } = machine();
  const warnings = await noticesOf(() => storages.acquire([{ ...share([]), driverOptions: ["x=1", "y"] }], ""));
  expect(warnings).toEqual([
    'virtio-fs storage on /share: driver option "x=1" is ignored',
    'virtio-fs storage on /share: driver option "y" is ignored',
  ]);
  expect(calls).toEqual(["mount virtiofs kataShared /share"]);
});

test("many ignored driver options cause a few warnings and a count", async () => {
  const { storages } = machine();
  const driverOptions = Array.from({ length: 20_000 }, (_, index) => `x=${index}`);
  const warnings = await noticesOf(() => storages.acquire([{ ...share([]), driverOptions }], ""));
  expect(warnings).toHaveLength(17);
  expect(warnings.at(-1)).toBe("virtio-fs storage on /share: 19984 more lines like these omitted");
});

test.each(["kataShared /share virtiofs", "tmpfs /share tmpfs", "/dev/vda1 /share ext4"])(
  "a share that is already mounted (%s) is used as it is",
  async (mount) => {
    const { calls, storages } = machine(`${mount} rw 0 0\n`);
    await storages.acquire([share(["nodev", "dax"])], "");
    expect(calls).toEqual([]);
  },
);

test("dax is left out with a warning if the machine doesn't support it", async () => {
  const { calls, storages } = machine("", (data) => {
    if (data.includes("dax")) throw new SystemError("mount", 22, "/share");
  });
  const warnings = await noticesOf(() => storages.acquire([share(["nodev", "dax=always"])], ""));
  expect(warnings).toEqual([
    "virtio-fs storage kataShared on /share: the machine has no DAX window, mounted without DAX",
  ]);
  expect(calls).toEqual(["mount virtiofs kataShared /share"]);
});

test("a wrong tag fails without dax too", async () => {
  const refuse = () => {
    throw new SystemError("mount", 22, "/share");
  };
  await expect(machine("", refuse).storages.acquire([share(["dax"])], "")).rejects.toThrow("mount /share: EINVAL");
});

test("a mount point is the same with a trailing slash", async () => {
  const { calls, storages } = machine();
  await storages.acquire([tmpfs("/a/"), tmpfs("/a")], "");
  await storages.release(["/a"]);
  await storages.release(["/a"]);
  expect(calls).toEqual(["mount tmpfs shm /a size=1m", "umount /a"]);
});

test("a storage that the host has already unmounted is released", async () => {
  const { storages } = machine("", undefined, () => {
    throw new SystemError("umount", 22, "/a");
  });
  await storages.acquire([tmpfs("/a")], "");
  await storages.release(["/a"]);
  expect(storages.mountPoints).toEqual([]);
});

test("a failed unmount doesn't stop other releases", async () => {
  const { calls, storages } = machine("", undefined, (target) => {
    if (target === "/b") throw new SystemError("umount", 16, target);
  });
  await storages.acquire([tmpfs("/a"), tmpfs("/b"), tmpfs("/c")], "");
  await expect(storages.release(["/a", "/b", "/c"])).rejects.toThrow("umount /b: EBUSY");
  expect(calls.slice(3)).toEqual(["umount /c", "umount /a"]);
});

test("a restarted agent counts the users of each storage and knows the shared ones", async () => {
  const calls: string[] = [];
  const saved: string[][] = [];
  const sys = { umount: async (target: string) => void calls.push(target) };
  const files = { removeDirectory: () => undefined, mounts: () => "" };
  const kernel = { sys, files: files as Partial<Files> } as unknown as Kernel;
  const storages = new Storages(kernel, findDisk, {
    users: ["/a", "/a", "/b", "/c"],
    known: [tmpfs("/a"), tmpfs("/b", { shared: true }), tmpfs("/d")].map((one) => ({ ...one, container: "" })),
    save: (known) => saved.push(known.map(({ mountPoint }) => mountPoint)),
  });
  await storages.release(["/a", "/b", "/c"]);
  expect(calls).toEqual(["/c"]);
  await storages.release(["/a"]);
  expect(calls).toEqual(["/c", "/a"]);
  expect(saved).toEqual([["/b", "/a"], ["/b"]]);
});

test("a slow storage delays only callers that use the same one", async () => {
  let go = () => {};
  const slow = new Promise<void>((resolve) => {
    go = resolve;
  });
  const { calls, storages } = machine("", (data) => (data === "slow" ? slow : undefined));
  const one = storages.acquire([tmpfs("/a", { options: ["slow"] })], "");
  const same = storages.acquire([tmpfs("/a")], "");
  await storages.acquire([tmpfs("/b")], "");
  expect(calls).toEqual(["mount tmpfs shm /b size=1m"]);
  go();
  await Promise.all([one, same]);
  expect(calls).toEqual(["mount tmpfs shm /b size=1m", "mount tmpfs shm /a slow"]);
});

const disk = (parts: Partial<Storage> = {}) =>
  tmpfs("/disk", { driver: "blk", source: "02/01", fstype: "ext4", options: ["ro", "discard"], ...parts });

test.each(["blk", "mmioblk", "scsi", "nvdimm"])(
  "a %s storage mounts the file system of the disk that was found",
  async (driver) => {
    const { calls, storages } = machine();
    await storages.acquire([disk({ driver, source: "x" })], "");
    expect(calls).toEqual([`mount ext4 /dev/${driver}-x /disk discard`]);
  },
);

test("no storage is mounted if one of the disks doesn't appear", async () => {
  const { calls, storages } = machine();
  await expect(storages.acquire([tmpfs("/a"), disk({ source: "none" })], "")).rejects.toThrow("disk none: not there");
  expect([calls, storages.mountPoints]).toEqual([[], []]);
});

test("the kernel's error is reported with the disk and the options", async () => {
  const { storages } = machine("", () => {
    throw new SystemError("mount", 22, "/disk");
  });
  await expect(storages.acquire([disk()], "")).rejects.toThrow(
    "blk storage: ext4 on /dev/blk-02/01 with ro,discard: mount /disk: EINVAL",
  );
});

test.each([["without a file system type", disk({ fstype: "" }), "/disk: it has no fstype"]])(
  "a disk %s is refused",
  async (_, storage, message) => {
    const { calls, storages } = machine();
    await expect(storages.acquire([storage], "")).rejects.toThrow(message);
    expect(calls).toEqual([]);
  },
);

test.each<[string, Partial<Storage>, string]>([
  ["by encryption", { driverOptions: ["encryption_key=ephemeral"] }, '"encryption_key=ephemeral" is not supported'],
  [
    "with a value",
    { driverOptions: ["create_filesystem=x"] },
    "driver option create_filesystem can't be combined with others",
  ],
  ["of another type", { driverOptions: ["create_filesystem"], fstype: "xfs" }, "can't create a file system of type"],
  ["as one layer alone", { options: ["X-kata.overlay-upper"] }, '"X-kata.overlay-upper" is for layers'],
])("a disk %s is refused", async (_, parts, message) => {
  const { calls, storages } = machine();
  await expect(storages.acquire([disk(parts)], "")).rejects.toThrow(message);
  expect(calls).toEqual([]);
});

test("layers of a root count as one storage whose disks and partitions are all waited for", async () => {
  const waited: string[] = [];
  const find: FindDisk = async (kind, source, _signal, partition) => {
    waited.push(`${kind} ${source} ${partition}`);
    throw new AgentError("internal", "not there");
  };
  const storages = new Storages({} as Kernel, find);
  const lower = ["X-kata.multi-layer=true", "X-kata.overlay-lower"];
  const inPartition = [...lower, "X-kata.gpt-partitioned=true", "X-kata.partition-number=3"];
  const layers = [
    disk({ fstype: "erofs", options: inPartition }),
    disk({ driver: "scsi", source: "0:1", options: lower }),
  ];
  await expect(storages.acquire(layers, "c")).rejects.toThrow("not there");
  expect(waited).toEqual(["blk 02/01 3", "scsi 0:1 undefined"]);
  expect(storages.mountPoints).toEqual([]);
});

test("a restarted agent unmounts a root of layers in reverse, after its last user", async () => {
  const calls: string[] = [];
  const sys = {
    umount: async (target: string) => void calls.push(target),
    unmapDevice: async (name: string) => void calls.push(name.replace(/[0-9a-f]{32}/, "ID")),
  };
  const removeTree = (path: string) => void calls.push(`rm ${path}`);
  const files = { exists: () => false, removeDirectory: () => undefined, removeTree };
  const kernel = { sys, files: files as Partial<Files> } as unknown as Kernel;
  const lower = {
    role: "lower",
    disk: "blk",
    source: "/dev/vdb",
    fstype: "erofs",
    options: [],
    directories: [],
  } as const;
  const verity = { rootHash: "ab", hashOffset: 4096, superblock: true };
  const layers = [lower, { ...lower, verity }];
  const root = tmpfs("/root", { driver: "erofs.multi-layer", layers });
  const known = [{ ...root, container: "c" }];
  const storages = new Storages(kernel, findDisk, { users: ["/root", "/root"], known, save: () => undefined });
  await storages.release(["/root"]);
  expect(calls).toEqual([]);
  await storages.release(["/root"]);
  const base = "/run/kata-containers/c/multi-layer";
  expect(calls).toEqual([
    ...["/root", `${base}/lower-1`, "kata-verity-ID-1", `${base}/lower-0`, `${base}/upper`],
    `rm ${base}`,
  ]);
});
