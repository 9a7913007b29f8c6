import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { digestOf } from "../../../../image/digest.ts";
import { readImage } from "../../../../image/read-image.ts";
import { startRegistry, type TestRegistry } from "../../../../image/registry/testing/registry.ts";
import { file } from "../../../../image/testing/layers.ts";
import { temporaryDirectory } from "../../../../image/testing/tree.ts";
import { packTar } from "../../../../image/write-layout.ts";
import { usesOf } from "../../../folder-uses.ts";
import { ImageStore, type StoredImage } from "./image-store.ts";
import { makeRoom, storeLimit } from "./make-room.ts";
import { pullImage } from "./pull-image.ts";

let folder: ReturnType<typeof temporaryDirectory>;
let registry: TestRegistry;
let store: ImageStore;
const signal = new AbortController().signal;

beforeEach(async () => {
  folder = temporaryDirectory();
  registry = await startRegistry();
  store = new ImageStore(join(folder.path, "images"));
});
afterEach(async () => {
  await registry[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const nameOf = (tag: string) => `${registry.host}/test/image:${tag}`;
const pull = (tag: string) => pullImage(store, nameOf(tag), { signal });
const layer = (content: string) => packTar([file("f", content)]);

/** Pulls an image with a layer of its own and sets when it was last used. */
async function pulled(tag: string, usedAt = 0, size = 1000): Promise<StoredImage> {
  registry.putImage([Buffer.from(await layer(randomText(tag, size)))], tag);
  const { image } = await pull(tag);
  utimesSync(usesOf(image.path), usedAt, usedAt);
  return image;
}

/** Text that gzip can't shorten much, the same for the same seed. */
function randomText(seed: string, size: number): string {
  let text = "";
  for (let at = 0; text.length < size; at++) text += digestOf(Buffer.from(`${seed}${at}`)).slice(7);
  return text;
}

test("a pulled image is complete, verified and for this user only", async () => {
  const digest = registry.putImage([await layer("lower"), await layer("upper")], "1");
  const { image, name, isKnown } = await pull("1");
  expect({ name, isKnown, digest: image.digest }).toEqual({ name: nameOf("1"), isKnown: false, digest });
  expect(store.list()).toEqual([{ ...image, names: [nameOf("1")], containers: [] }]);
  await using read = await readImage(image.path);
  expect(read.layers).toHaveLength(2);
  for (const each of read.layers) for await (const _ of each.open());
  expect(statSync(join(folder.path, "images")).mode & 0o777).toBe(0o700);
  expect(execFileSync("find", [folder.path, "-mindepth", "1", "-perm", "/077"], { encoding: "utf8" })).toBe("");
  expect(readdirSync(join(folder.path, "images")).sort()).toEqual(["layouts", "names"]);
});

test("pulling again downloads nothing, and a tag that has moved leaves the older image without a name", async () => {
  const first = registry.putImage([await layer("one")], "1");
  await pull("1");
  const before = registry.requests.length;
  expect(await pull("1")).toMatchObject({ isKnown: true });
  expect(registry.requests.slice(before).filter((line) => line.includes("/blobs/"))).toHaveLength(1); // the configuration
  const second = registry.putImage([await layer("two")], "1");
  await pull("1");
  expect(store.find(nameOf("1"))?.image.digest).toBe(second);
  expect(store.find(first)?.image.names).toEqual([]);
});

test("layers that images share are downloaded and stored once", async () => {
  const shared = await layer(randomText("shared", 50_000));
  registry.putImage([shared, await layer("a")], "a");
  registry.putImage([shared, await layer("b")], "b");
  const { image: a } = await pull("a");
  const { image: b } = await pull("b");
  const blobs = registry.requests.filter((line) => line.includes("/blobs/"));
  expect(new Set(blobs).size).toBe(blobs.length);
  expect(store.size()).toBeLessThan(a.size + b.size - 20_000);
  await store.remove(a);
  await using read = await readImage(b.path);
  for (const each of read.layers) for await (const _ of each.open());
});

test("a damaged layer leaves nothing in the store", async () => {
  const tar = await layer("x");
  registry.putImage([tar], "1");
  registry.handler = (request, response, { pathname }) => {
    const isLayer =
      pathname.includes("/blobs/") && registry.requests.filter((line) => line.includes("/blobs/")).length > 1;
    if (!isLayer || request.method !== "GET") return undefined;
    response.end(Buffer.alloc(20));
    return true;
  };
  await expect(pull("1")).rejects.toThrow(
    /^pull 127.0.0.1:\d+\/test\/image:1: read image: blobs\/sha256\/\w+ has digest/,
  );
  expect(store.list()).toEqual([]);
  expect(readdirSync(join(folder.path, "images")).filter((name) => name.startsWith("pulling"))).toEqual([]);
});

test("several processes pull the same and other images at once", async () => {
  for (const tag of ["1", "2", "3"]) registry.putImage([await layer(randomText(tag, 100_000))], tag);
  const script = `
    const { pullImage } = await import(${JSON.stringify(join(import.meta.dirname, "pull-image.ts"))});
    const { ImageStore } = await import(${JSON.stringify(join(import.meta.dirname, "image-store.ts"))});
    const signal = new AbortController().signal;
    const store = new ImageStore(process.argv[1]);
    for (const name of process.argv.slice(2)) await pullImage(store, name, { signal });`;
  const processes = ["123", "321", "213"].map((order) => {
    const names = [...order].map(nameOf);
    const args = ["--input-type=module", "-e", script, join(folder.path, "images"), ...names];
    return spawn(process.execPath, args, { stdio: "inherit" });
  });
  expect(await Promise.all(processes.map(async (child) => (await once(child, "close"))[0]))).toEqual([0, 0, 0]);
  expect(
    store
      .list()
      .flatMap(({ names }) => names)
      .sort(),
  ).toEqual(["1", "2", "3"].map(nameOf));
  for (const { path } of store.list()) {
    await using read = await readImage(path);
    for (const each of read.layers) for await (const _ of each.open());
  }
});

describe("the store's limit", () => {
  test("removes the images that were not used for the longest time first", async () => {
    const old = await pulled("old", 1);
    const older = await pulled("older", 0);
    const recent = await pulled("recent", 2);
    const now = await pulled("now", 3);
    const limit = store.size() - older.size;
    expect(await makeRoom(store, now.digest, limit)).toEqual([older.digest]);
    expect(await makeRoom(store, now.digest, now.size)).toEqual([old.digest, recent.digest]);
    expect(store.list().map(({ names }) => names)).toEqual([[nameOf("now")]]);
  });

  test("never removes an image that a container uses, nor the one just pulled", async () => {
    const used = await pulled("used");
    const pulledNow = await pulled("now");
    using _use = store.use(used, "web");
    expect(await makeRoom(store, pulledNow.digest, 1)).toEqual([]);
    expect(store.list().flatMap(({ containers }) => containers)).toEqual(["web"]);
  });

  test("is a size, 10 GiB by default", () => {
    expect([storeLimit(""), storeLimit("20g"), storeLimit("0")]).toEqual([10 * 2 ** 30, 20 * 2 ** 30, 0]);
    expect(() => storeLimit("many")).toThrow("GUESTCTL_IMAGE_LIMIT=many: expected a size such as 20g; correct it or");
  });

  test("refuses an image that is larger before downloading it", async () => {
    registry.putImage([await layer(randomText("large", 5000))], "1");
    process.env["GUESTCTL_IMAGE_LIMIT"] = "1k";
    try {
      await expect(pull("1")).rejects.toThrow(/its \d+ bytes are more than the 1024 .* set GUESTCTL_IMAGE_LIMIT/);
    } finally {
      delete process.env["GUESTCTL_IMAGE_LIMIT"];
    }
    expect(registry.requests.filter((line) => line.includes("/blobs/"))).toHaveLength(1); // the configuration
  });
});

test("a use ends with its process, and an image in use is removed only by force", async () => {
  const image = await pulled("1");
  const use = store.use(image, "web");
  expect(await store.remove(image)).toBe(false);
  use?.[Symbol.dispose]();
  const ended = { pid: 1 << 22, started: 1, namespace: "", boot: "an earlier one", container: "gone" };
  writeFileSync(join(usesOf(image.path), "use-ended"), JSON.stringify(ended));
  expect(store.find(nameOf("1"))?.image.containers).toEqual([]);
  using _again = store.use(image, "db");
  expect(await store.remove(image, { force: true })).toBe(true);
  expect(store.use(image, "late")).toBeUndefined();
  expect(store.find(nameOf("1"))).toBeUndefined();
});

test("images are found by name and by the beginning of their id", async () => {
  const { digest } = await pulled("1");
  const hex = digest.slice("sha256:".length);
  for (const text of [digest, hex, hex.slice(0, 12), nameOf("1")]) expect(store.find(text)?.image.digest).toBe(digest);
  expect(store.find("abcdef0123")).toBeUndefined();
  expect(() => store.find("UPPER")).toThrow("its name is not valid");
});
