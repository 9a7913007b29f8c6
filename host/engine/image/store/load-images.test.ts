import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { digestOf } from "../../../../image/digest.ts";
import { thisPlatform } from "../../../../image/platform.ts";
import { readImage } from "../../../../image/read-image.ts";
import { file } from "../../../../image/testing/layers.ts";
import { temporaryDirectory } from "../../../../image/testing/tree.ts";
import { type LayerEntry, layoutEntries, packTar } from "../../../../image/write-layout.ts";
import { runGuestctl } from "../../../cli/testing/run-guestctl.ts";
import { ImageStore } from "./image-store.ts";
import { loadImages } from "./load-images.ts";

const options = { signal: new AbortController().signal };
const config = { Env: ["A=1"] };

let folder: ReturnType<typeof temporaryDirectory>;
let store: ImageStore;
beforeEach(() => {
  folder = temporaryDirectory();
  store = new ImageStore(join(folder.path, "guestd/images"));
});
afterEach(() => folder[Symbol.dispose]());

async function archive(name: string, entries: readonly LayerEntry[]): Promise<string> {
  const path = join(folder.path, name);
  writeFileSync(path, await packTar(entries));
  return path;
}

/** Entries of what `docker save` wrote before Docker 25, and podman does. */
async function savedEntries(tags: readonly string[] | null, platform = thisPlatform()): Promise<readonly LayerEntry[]> {
  const layer = await packTar([file("f", "content")]);
  const image = { ...platform, config, rootfs: { type: "layers", diff_ids: [digestOf(layer)] } };
  const json = JSON.stringify(image);
  const name = `${digestOf(Buffer.from(json)).slice(7)}.json`;
  return [
    { name, content: json },
    { name: "0/layer.tar", content: layer },
    { name: "manifest.json", content: JSON.stringify([{ Config: name, RepoTags: tags, Layers: ["0/layer.tar"] }]) },
  ];
}

/** Entries of images with one configuration of that many bytes, and no layers. */
async function manyConfigs(images: number, bytes: number): Promise<readonly LayerEntry[]> {
  const content = JSON.stringify({ ...thisPlatform(), author: "x".repeat(bytes), rootfs: { diff_ids: [] } });
  const list = Array(images).fill({ Config: "config.json", RepoTags: null, Layers: [] });
  return [
    { name: "config.json", content },
    { name: "manifest.json", content: JSON.stringify(list) },
  ];
}

test("loads what docker save wrote before Docker 25 under its names, and what has no name", async () => {
  const path = await archive("saved.tar", await savedEntries(["web:1", "example.com/team/web:2"]));
  const names = ["docker.io/library/web:1", "example.com/team/web:2"];
  const loaded = await loadImages(store, path, options);
  expect(loaded.map(({ name, isKnown }) => [name, isKnown])).toEqual([
    [names[0], false],
    [names[1], true],
  ]);
  const [image, ...others] = store.list();
  expect([image?.names, others]).toEqual([names, []]);
  await using read = await readImage(image?.path ?? "");
  expect([read.config, read.layers.length]).toEqual([config, 1]);
  for (const layer of read.layers) for await (const _ of layer.open());
  store.removeName(names[0] ?? "");
  store.removeName(names[1] ?? "");
  const [again] = await loadImages(store, await archive("unnamed.tar", await savedEntries(null)), options);
  expect([again?.name, again?.image.digest]).toEqual([undefined, image?.digest]);
});

test.each<[string, () => Promise<readonly LayerEntry[]>, string]>([
  ["that is none", async () => [{ name: "x", content: "y" }], "it contains neither index.json (OCI layout) nor"],
  ["for another processor", () => savedEntries(["a:1"], { os: "linux", architecture: "s390x" }), "no image for linux/"],
  ["with a bad name", () => savedEntries(["../../etc:1"]), 'image "../../etc:1": its registry is not a valid host'],
  [
    "whose layer has changed",
    async () =>
      (await savedEntries(["a:1"])).map((each) => (each.name === "0/layer.tar" ? { ...each, content: "z" } : each)),
    "the image is damaged",
  ],
  [
    "without a layer's file",
    async () => (await savedEntries(["a:1"])).filter(({ name }) => name !== "0/layer.tar"),
    "layer 0/layer.tar is missing",
  ],
  ["with configurations of 70 MB", () => manyConfigs(70, 1_000_000), "have more than 67108864 bytes"],
])("refuses an archive %s, and keeps nothing of it", async (_, entries, why) => {
  const path = await archive("bad.tar", await entries());
  await expect(loadImages(store, path, options)).rejects.toThrow(`load ${path}: `);
  await expect(loadImages(store, path, options)).rejects.toThrow(why);
  expect(store.list()).toEqual([]);
});

test("an archive of guestctl save holds its images for guestctl load, and the manifest.json that docker load reads", async () => {
  const layout = async (name: string, content: string) =>
    archive(
      `${name}.tar`,
      layoutEntries({ name, platform: thisPlatform(), config, layers: [await packTar([file("f", content)])] }),
    );
  const run = (...args: string[]) => runGuestctl(folder.path, args);
  for (const name of ["one", "two"]) {
    const loaded = await run("load", "-q", "-i", await layout(name, name));
    expect(loaded).toEqual({ stdout: `docker.io/library/${name}:latest\n`, stderr: "", code: 0 });
  }
  const before = store.list().map(({ digest, names }) => [digest, names]);
  const saved = join(folder.path, "both.tar");
  expect(await run("save", "-o", saved, "one", "two")).toEqual({ stdout: "", stderr: "", code: 0 });
  const inTar = (name: string) => JSON.parse(execFileSync("tar", ["-xOf", saved, name], { encoding: "utf8" }));
  expect(inTar("manifest.json").map(({ RepoTags }: { RepoTags: string[] }) => RepoTags)).toEqual([
    ["one:latest"],
    ["two:latest"],
  ]);
  for (const { Config, Layers } of inTar("manifest.json")) {
    for (const name of [Config, ...Layers]) execFileSync("tar", ["-tf", saved, name]);
  }
  expect((await run("rmi", "one", "two")).code).toBe(0);
  const loaded = await loadImages(store, saved, options);
  expect(loaded.map(({ name }) => name)).toEqual(["docker.io/library/one:latest", "docker.io/library/two:latest"]);
  expect(
    store
      .list()
      .map(({ digest, names }) => [digest, names])
      .toSorted(),
  ).toEqual(before.toSorted());
  await using read = await readImage(saved, { name: "two:latest" });
  expect(read.config).toEqual(config);
  mkdirSync(join(folder.path, "d"));
  expect(await run("save", "-o", join(folder.path, "d"), "one")).toMatchObject({
    ...{ code: 1, stderr: `guestctl: save: ${folder.path}/d: not a regular file; redirect stdout instead\n` },
  });
  expect(await run("tag", "one", "web:2")).toEqual({ stdout: "", stderr: "", code: 0 });
  expect(store.find("web:2")?.image.digest).toBe(store.find("one")?.image.digest);
  expect((await run("tag", "none", "x")).stderr).toMatch(/^guestctl: image none: not in the store; /);
  expect((await run("save", "none")).stderr).toMatch(/^guestctl: image none: not in the store; /);
});
