import fc from "fast-check";
import { expect, test } from "vitest";
import { AgentError } from "../kernel/error.ts";
import { parseLayer } from "./parse-layer.ts";
import type { Storage } from "./storage.ts";

const HASH = "ab".repeat(32);
const LOWER = ["X-kata.overlay-lower", "X-kata.multi-layer=true"];
const UPPER = ["X-kata.overlay-upper", "X-kata.multi-layer=true"];
const VERITY = ["X-kata.dmverity-enabled=true", `X-kata.dmverity.roothash=${HASH}`, "X-kata.dmverity.hashoffset=4096"];

const storage = (options: readonly string[], parts: Partial<Storage> = {}): Storage => ({
  ...{ driver: "blk", driverOptions: [], source: "02/01", fstype: "erofs", mountPoint: "/root", shared: false },
  ...parts,
  options,
});
const upper = (options: readonly string[], parts: Partial<Storage> = {}) =>
  storage([...UPPER, ...options], { fstype: "ext4", ...parts });

test("a lower layer in a partition with dm-verity is parsed as runtime-rs sends it", () => {
  const gpt = ["X-kata.gpt-partitioned=true", "X-kata.partition-number=2"];
  const layer = parseLayer(storage(["ro", ...LOWER, ...gpt, ...VERITY, "X-kata.dmverity.salt=00FF"]));
  expect(layer).toEqual({
    ...{ role: "lower", disk: "blk", source: "02/01", partition: 2, fstype: "erofs", options: ["ro"], directories: [] },
    verity: { rootHash: HASH, hashOffset: 4096, salt: "00ff", superblock: true },
  });
});

test("an upper layer with directories to create is parsed", () => {
  const paths = ["X-kata.mkdir.path={{ mount 0 }}/upper:0700:7:8", "X-kata.mkdir.path=/work/x"];
  const directories = [
    { names: ["upper"], mode: 0o700, uid: 7, gid: 8 },
    { names: ["work", "x"], mode: 0o755, uid: 0, gid: 0 },
  ];
  expect(parseLayer(upper(["rw", ...paths]))).toMatchObject({
    role: "upper",
    fstype: "ext4",
    options: ["rw"],
    directories,
  });
});

test("an upper layer to be created on an empty disk is parsed in every notation", () => {
  const uuid = "67756573-7464-4000-8000-000000000000";
  const wanted = ["X-kata.mkfs=true", "X-kata.mkfs.fs=ext4", "X-kata.mkfs.size=64M", `X-kata.mkfs.uuid=${uuid}`];
  expect(parseLayer(upper(wanted, { fstype: "" }))).toMatchObject({ fstype: "ext4", make: { uuid } });
  expect(parseLayer(upper([], { fstype: "mkfs/ext4" }))).toMatchObject({ fstype: "ext4", make: {} });
  expect(parseLayer(upper([], { driverOptions: ["create_filesystem"] }))).toMatchObject({ make: {} });
});

test("the driver erofs.multi-layer means a virtio-blk disk, and the file system type selects the layer", () => {
  expect(parseLayer(storage([], { driver: "erofs.multi-layer" }))).toMatchObject({ disk: "blk", role: "lower" });
  const writable = { driver: "erofs.multi-layer", fstype: "ext4" };
  expect(parseLayer(storage([], writable))).toMatchObject({ role: "upper" });
});

test.each<[string, Storage, string]>([
  ["an unknown option", storage([...LOWER, "X-kata.new=1"]), 'option "X-kata.new=1" is not supported'],
  [
    "a switch that is neither true nor false",
    storage([...LOWER, "X-kata.mkfs=yes"]),
    'option "X-kata.mkfs=yes" is not supported',
  ],
  ["two root hashes", storage([...LOWER, ...VERITY, ...VERITY.slice(1, 2)]), 'dmverity.roothash" is repeated'],
  [
    "a root hash without dm-verity enabled",
    storage([...LOWER, ...VERITY.slice(1)]),
    "needs X-kata.dmverity-enabled=true",
  ],
  ["dm-verity without a hash", storage([...LOWER, ...VERITY.slice(0, 1)]), "dm-verity needs X-kata.dmverity.roothash="],
  [
    "a root hash with trailing text",
    storage([...LOWER, VERITY[0] ?? "", "X-kata.dmverity.roothash=ab 1", VERITY[2] ?? ""]),
    "is not hexadecimal",
  ],
  ["a partition number alone", storage([...LOWER, "X-kata.partition-number=1"]), "need each other"],
  [
    "partition 0",
    storage([...LOWER, "X-kata.gpt-partitioned=true", "X-kata.partition-number=0"]),
    "is out of range, use 1 to 128",
  ],
  ["a layer that is upper and lower", storage([...LOWER, ...UPPER.slice(0, 1)]), "can't be both upper and lower"],
  [
    "a layer that is neither upper nor lower",
    storage(["X-kata.multi-layer=true"], { fstype: "xfs" }),
    "must be either upper or lower",
  ],
  ["a driver without disks", storage(LOWER, { driver: "virtio-fs" }), 'driver "virtio-fs" can\'t have layers'],
  [
    "a driver option",
    storage(LOWER, { driverOptions: ["encryption_key=ephemeral"] }),
    'driver option "encryption_key=ephemeral" is not supported',
  ],
  ["a group", upper([], { fsGroup: { gid: 1, onRootMismatch: false } }), "fs_group of a layer is not supported"],
  [
    "a lower layer to be created",
    storage([...LOWER, "X-kata.mkdir.path=/x"]),
    "nothing can be created on a lower layer",
  ],
  [
    "another file system to be created",
    upper(["X-kata.mkfs=true", "X-kata.mkfs.fs=xfs"]),
    "can't create a file system of type",
  ],
  ["a UUID that is an option", upper(["X-kata.mkfs=true", "X-kata.mkfs.uuid=-E x"]), "is not a UUID"],
  ["no fstype", storage(LOWER, { fstype: "" }), "has no fstype"],
  ["a directory above", upper(["X-kata.mkdir.path={{ mount 0 }}/../x"]), "is not a path on the upper layer"],
  ["a directory on a lower layer", upper(["X-kata.mkdir.path={{ mount 1 }}/x"]), "is not on the upper layer"],
  ["the upper layer itself", upper(["X-kata.mkdir.path={{ mount 0 }}"]), "is not a path on the upper layer"],
  ["a directory with an invalid mode", upper(["X-kata.mkdir.path=/x:rwx"]), "is not PATH:MODE:UID:GID"],
])("%s is refused", (_, one, why) => {
  expect(() => parseLayer(one)).toThrow(why);
});

test("any options give either a layer within bounds or one line", () => {
  const names = ["partition-number", "gpt-partitioned", "mkdir.path", "mkfs", "mkfs.uuid", "dmverity.roothash", "x"];
  const value = fc.oneof(fc.string(), fc.constantFrom("true", "1", "{{ mount 0 }}/a/../b", "/a:0755:1:1"));
  const word = fc.tuple(fc.constantFrom(...names), value).map(([name, text]) => `X-kata.${name}=${text}`);
  fc.assert(
    fc.property(fc.array(word, { maxLength: 4 }), (words) => {
      try {
        const { partition = 1, directories, options } = parseLayer(upper(words));
        expect(partition >= 1 && partition <= 128).toBe(true);
        expect(options).toEqual([]);
        for (const name of directories.flatMap(({ names }) => names)) expect(name).not.toMatch(/^\.{0,2}$|[/\0]/);
      } catch (error) {
        if (!(error instanceof AgentError)) throw error;
        expect(error.message).not.toContain("\n");
      }
    }),
  );
});
