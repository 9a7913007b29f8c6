import { linkSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Image } from "../../../../image/read-image.ts";
import { file, layerOf } from "../../../../image/testing/layers.ts";
import { temporaryDirectory } from "../../../../image/testing/tree.ts";
import type { RootfsSource } from "../unpack-rootfs.ts";
import { blockRootOf, knownBlockRoot } from "./block-root.ts";
import { BlockStore } from "./block-store.ts";

/** Returns an image with one file, and counts how often its layer is read. */
function imageWith(content: string, digest = `sha256:${content}`) {
  const counts = { opened: 0, closed: 0 };
  const source: RootfsSource = {
    async open(): Promise<Image> {
      const layer = await layerOf([file("f", content)]);
      const close = async () => {
        counts.closed += 1;
      };
      const open = () => {
        counts.opened += 1;
        return layer.open();
      };
      const layers = [{ ...layer, open }];
      const config = { User: "nobody" };
      const platform = { os: "linux", architecture: "amd64" };
      return { config, platform, digest, layers, close, [Symbol.asyncDispose]: close };
    },
  };
  return { source, counts };
}

const disks = (path: string) => readdirSync(path).sort();

test("makes a disk once, and gives it to others by the image's digest", async () => {
  using temporary = temporaryDirectory();
  const store = new BlockStore(temporary.path);
  const { source, counts } = imageWith("content");
  using first = await blockRootOf(source, { user: "first", store });
  using second = await blockRootOf(source, { user: "second", store });
  expect(second.root).toEqual(first.root);
  expect(first.config).toEqual({ User: "nobody" });
  expect(counts).toEqual({ opened: 1, closed: 2 });
  using known = await knownBlockRoot(source, { user: "third", store });
  expect(known).toMatchObject({ root: first.root, config: first.config });
  expect(await knownBlockRoot(imageWith("none").source, { user: "third", store })).toBeUndefined();
  expect(disks(temporary.path)).toEqual([first.root.id]);
  expect(statSync(join(temporary.path, first.root.id)).mode & 0o777).toBe(0o700);
  using other = await blockRootOf(imageWith("content", "sha256:other").source, { user: "other", store });
  expect(other.root.id).not.toBe(first.root.id);
});

test("several makers at once get one disk, and leave nothing beside it", async () => {
  using temporary = temporaryDirectory();
  const { source, counts } = imageWith("content");
  const made = await Promise.all(
    ["aa", "bb", "cc"].map((user) => blockRootOf(source, { user, store: new BlockStore(temporary.path) })),
  );
  expect(counts.opened).toBe(3);
  const [id = ""] = new Set(made.map(({ root }) => root.id));
  expect(disks(temporary.path)).toEqual([id]);
  expect(made.map(({ root }) => statSync(root.file).ino)).toEqual(
    made.map(() => statSync(made[0]?.root.file ?? "").ino),
  );
  for (const each of made) each[Symbol.dispose]();
});

test("equal folders give one disk, and a changed one another", async () => {
  using temporary = temporaryDirectory();
  const store = new BlockStore(join(temporary.path, "store"));
  const folder = join(import.meta.dirname, "testing");
  using first = await blockRootOf({ folder }, { user: "first", store });
  using second = await blockRootOf({ folder }, { user: "second", store });
  using other = await blockRootOf({ folder: import.meta.dirname }, { user: "other", store });
  expect(second.root).toEqual(first.root);
  expect(disks(join(temporary.path, "store"))).toEqual([first.root.id, other.root.id].sort());
});

test("removes what was not used for the longest time, and nothing in use", async () => {
  using temporary = temporaryDirectory();
  const store = new BlockStore(temporary.path);
  const make = async (content: string, limit: number) =>
    await blockRootOf(imageWith(content).source, { user: content, store, limit });
  const whole = 1 << 20;
  using used = await make("aa", whole);
  const { root: idle } = await make("bb", whole).then((each) => {
    each[Symbol.dispose]();
    return each;
  });
  // Room for two: of the three, the one without a user goes.
  using last = await make("cc", used.root.size * 2);
  expect(disks(temporary.path)).toEqual([used.root.id, last.root.id].sort());
  expect(store.find(idle.id)).toBeUndefined();
});

test("keeps the disk of a snapshot, which has a second name of it", async () => {
  using temporary = temporaryDirectory();
  const store = new BlockStore(join(temporary.path, "store"));
  const make = async (content: string, limit: number) => {
    using made = await blockRootOf(imageWith(content).source, { user: content, store, limit });
    return made.root;
  };
  const kept = await make("aa", 1 << 20);
  linkSync(kept.file, join(temporary.path, "disk-0"));
  const other = await make("bb", kept.size);
  const last = await make("cc", kept.size);
  expect([store.find(kept.id)?.id, store.find(other.id)]).toEqual([kept.id, undefined]);
  rmSync(join(temporary.path, "disk-0"));
  await make("dd", last.size);
  expect(store.find(kept.id)).toBeUndefined();
});

test("leaves nothing behind for an image that fails or a signal that aborts", async () => {
  using temporary = temporaryDirectory();
  const store = new BlockStore(temporary.path);
  const { source } = imageWith("content");
  await expect(blockRootOf(source, { user: "aa", store, limit: 100 })).rejects.toThrow("needs more than 0 MiB");
  const signal = AbortSignal.abort(new Error("stopped"));
  await expect(blockRootOf(source, { user: "aa", store, signal })).rejects.toThrow("stopped");
  expect(disks(temporary.path)).toEqual([]);
});
