import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test, vi } from "vitest";
import { unpack } from "../host/engine/image/unpack.ts";
import { digestOf } from "./digest.ts";
import { ImageError } from "./image-error.ts";
import { type ReadImageOptions, readImage } from "./read-image.ts";
import { file, symlink } from "./testing/layers.ts";
import { temporaryDirectory, treeOf } from "./testing/tree.ts";
import { type LayerEntry, layoutEntries, packTar } from "./write-layout.ts";

const amd64 = { os: "linux", architecture: "amd64" };
const arm64 = { os: "linux", architecture: "arm64" };
const config = { Cmd: ["sh"] };
const blob = (content: Buffer) => ({ name: `blobs/sha256/${digestOf(content).slice(7)}`, content });
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

async function layout(text = "hello", name = "test:1", platform = amd64): Promise<LayerEntry[]> {
  return layoutEntries({ name, platform, config, layers: [await packTar([file("f", text)])] });
}

/** Writes entries as a tar (`pack` may compress it) or a directory, reads the image back and unpacks it. */
async function readBack(
  entries: readonly LayerEntry[],
  how: "directory" | ((tar: Buffer) => Buffer),
  options?: ReadImageOptions,
) {
  using temporary = temporaryDirectory();
  const path = join(temporary.path, "image");
  if (how === "directory") {
    for (const { name, content = "" } of entries) {
      mkdirSync(dirname(join(path, name)), { recursive: true });
      writeFileSync(join(path, name), content);
    }
  } else writeFileSync(path, how(await packTar(entries)));
  await using image = await readImage(path, { platform: amd64, ...options });
  const root = join(temporary.path, "root");
  await unpack(image, root);
  return { config: image.config, tree: treeOf(root) };
}

const plain = (tar: Buffer) => tar;
const leftovers = () => readdirSync(tmpdir()).filter((name) => name.startsWith("guestd-image-"));

describe("an OCI layout", () => {
  test.each([
    ["a directory", "directory"],
    ["a tar", plain],
    ["a tar.gz", (tar: Buffer) => gzipSync(tar)],
    ["a tar.zst", (tar: Buffer) => zstdCompressSync(tar)],
  ] as const)("can be read from %s", async (_, how) => {
    const before = leftovers();
    expect(await readBack(await layout(), how)).toEqual({ config, tree: { f: "hello" } });
    expect(leftovers()).toEqual(before);
  });

  test("is chosen by platform through nested indexes, past attestations and missing platforms", async () => {
    const images = [await layout("intel", "n", amd64), await layout("arm", "n", arm64)];
    const descriptors = images.flatMap((entries) => {
      const index = entries.find(({ name }) => name === "index.json")?.content ?? "";
      return JSON.parse(String(index)).manifests as object[];
    });
    const none = { mediaType: "x", digest: `sha256:${"0".repeat(64)}`, size: 1 };
    const absent = { ...none, platform: { os: "linux", architecture: "s390x" } };
    const attestation = { ...none, platform: { os: "unknown", architecture: "unknown" } };
    const inner = json({ schemaVersion: 2, manifests: [...descriptors, absent, attestation] });
    const index = json({
      schemaVersion: 2,
      manifests: [{ mediaType: "i", digest: digestOf(inner), size: inner.length }],
    });
    const blobs = images.flat().filter(({ name }) => name.startsWith("blobs/"));
    const entries = [{ name: "index.json", content: index }, blob(inner), ...blobs];
    expect((await readBack(entries, plain)).tree).toEqual({ f: "intel" });
    expect((await readBack(entries, plain, { platform: arm64 })).tree).toEqual({ f: "arm" });
    await expect(readBack(entries, plain, { platform: { os: "linux", architecture: "riscv64" } })).rejects.toThrow(
      "no image for linux/riscv64; available: n for linux/amd64, n for linux/arm64, unnamed for linux/s390x",
    );
  });

  test("is refused with one plain line if its JSON contains line ends and control sequences", async () => {
    const entries = [{ name: "index.json", content: '{"manifests":\n\u001b[2J]' }];
    await expect(readBack(entries, "directory")).rejects.toThrow(/^read image: index\.json is not JSON: [ -~]+$/);
  });

  test("is chosen by name if the layout has several", async () => {
    const [one, two] = [await layout("1", "one"), await layout("2", "two")];
    const manifests = [one, two].flatMap((entries) => JSON.parse(String(entries[1]?.content)).manifests as object[]);
    const entries = [{ name: "index.json", content: json({ manifests }) }, ...one.slice(2), ...two.slice(2)];
    await expect(readBack(entries, plain)).rejects.toThrow("several images; choose one of: one, two");
    expect((await readBack(entries, plain, { name: "two" })).tree).toEqual({ f: "2" });
  });

  test("is refused if its indexes name one manifest again and again", async () => {
    const entries = await layout();
    const [manifest] = JSON.parse(String(entries[1]?.content)).manifests as object[];
    const named = (count: number) => ({
      name: "index.json",
      content: json({ manifests: Array.from({ length: count }, () => manifest) }),
    });
    const blobs = entries.slice(2);
    expect((await readBack([named(1000), ...blobs], plain)).tree).toEqual({ f: "hello" });
    await expect(readBack([named(1001), ...blobs], plain)).rejects.toThrow("more than 1000 entries");
  });

  test("can have layers in zstd or uncompressed, whatever the media type says", async () => {
    const entries = await layout();
    const tar = await packTar([file("f", "other")]);
    for (const layer of [zstdCompressSync(tar), tar]) {
      const configBlob = json({ ...amd64, config, rootfs: { type: "layers", diff_ids: [digestOf(tar)] } });
      const manifest = json({
        config: { digest: digestOf(configBlob) },
        layers: [
          { mediaType: "application/vnd.oci.image.layer.v1.tar+zstd", digest: digestOf(layer), size: layer.length },
        ],
      });
      const index = json({ manifests: [{ digest: digestOf(manifest) }] });
      const all = [
        entries[0] ?? file("x"),
        { name: "index.json", content: index },
        ...[configBlob, manifest, layer].map(blob),
      ];
      expect((await readBack(all, plain)).tree).toEqual({ f: "other" });
    }
  });
});

describe("docker save", () => {
  async function saved(change: (entries: LayerEntry[]) => LayerEntry[] = (entries) => entries): Promise<LayerEntry[]> {
    const tar = await packTar([file("f", "hello")]);
    const upper = await packTar([file("g", "upper")]);
    const content = json({ ...amd64, config, rootfs: { diff_ids: [tar, upper, tar].map(digestOf) } });
    const Config = `${digestOf(content).slice(7)}.json`;
    const Layers = ["aaa/layer.tar", "bbb/layer.tar", "ccc/layer.tar"];
    return change([
      { name: "aaa/layer.tar", content: tar },
      { name: "bbb/layer.tar", content: upper },
      symlink("ccc/layer.tar", "../aaa/layer.tar"),
      { name: Config, content },
      { name: "manifest.json", content: json([{ Config, RepoTags: ["test:1"], Layers }]) },
    ]);
  }

  test("can be read in its older form, with layers that link to others", async () => {
    expect(await readBack(await saved(), plain)).toEqual({ config, tree: { f: "hello", g: "upper" } });
    expect((await readBack(await saved(), (tar) => gzipSync(tar), { name: "test:1" })).config).toEqual(config);
  });

  test("is refused with one line if it is for another platform or has another name", async () => {
    await expect(readBack(await saved(), plain, { platform: arm64 })).rejects.toThrow(
      "it is for linux/amd64, not for linux/arm64",
    );
    await expect(readBack(await saved(), plain, { name: "x" })).rejects.toThrow(
      "0 images match x; choose one of: test:1",
    );
  });

  test("is refused if a layer doesn't match its digest", async () => {
    const other = await packTar([file("f", "evil!")]);
    const damaged = saved((entries) => [{ name: "aaa/layer.tar", content: other }, ...entries.slice(1)]);
    await expect(readBack(await damaged, plain)).rejects.toThrow(
      /the content of layer aaa\/layer.tar has digest .*; the image is damaged/,
    );
  });

  test("names the missing layer if a layer's link is dangling or circular", async () => {
    for (const target of ["../../../etc/passwd", "layer.tar"]) {
      const entries = saved((all) =>
        all.map((each) => (each.type === "symlink" ? { ...each, linkname: target } : each)),
      );
      await expect(readBack(await entries, plain)).rejects.toThrow("layer ccc/layer.tar is missing");
    }
  });
});

describe("a damaged image", () => {
  test.each([
    ["oci.image.layer", /layer .* has digest|incorrect|unexpected end/i],
    ["config.v1", /has digest .*the image is damaged/],
    ["manifest.v1", /has digest .*the image is damaged/],
  ])("is detected: %s", async (_, message) => {
    const entries = await layout();
    // layoutEntries writes them in this order: layer, configuration, manifest.
    const at = { "oci.image.layer": 2, "config.v1": 3, "manifest.v1": 4 }[_] ?? 0;
    const damaged = entries.map((each, index) => {
      if (index !== at) return each;
      const content = Buffer.from(each.content ?? "");
      content[content.length - 6] = (content[content.length - 6] ?? 0) ^ 1;
      return { ...each, content };
    });
    await expect(readBack(damaged, plain)).rejects.toThrow(message);
  });

  test("is refused before anything is unpacked if a layer is missing", async () => {
    const entries = await layout();
    await expect(readBack(entries.toSpliced(2, 1), plain)).rejects.toThrow(
      /layer blobs\/sha256\/[0-9a-f]{64} is missing/,
    );
  });

  test("is refused if a digest would lead out of its directory", async () => {
    for (const digest of ["sha256:../../etc/passwd", "md5:0", 7]) {
      const index = json({ manifests: [{ digest }] });
      await expect(readBack([{ name: "index.json", content: index }], "directory")).rejects.toThrow(
        "is not a sha256 digest",
      );
    }
  });

  test("reports missing files if its manifest.json names files elsewhere", async () => {
    const manifest = json([{ Config: "../../../../etc/hostname", RepoTags: [], Layers: [] }]);
    await expect(readBack([{ name: "manifest.json", content: manifest }], "directory")).rejects.toThrow("is missing");
  });

  test.each([
    [[], "it contains neither index.json (OCI layout) nor manifest.json (docker save)"],
    [[file("index.json", "{")], "index.json is not JSON"],
    [[file("index.json", "[]")], "index.json is not an object"],
    [[file("index.json", '{"manifests":{}}')], "manifests of the index is not a list"],
    [[file("index.json", " ".repeat(5 << 20))], "that JSON may have"],
  ])("is refused with one line: %#", async (entries, message) => {
    await expect(readBack([file("x"), ...entries], plain)).rejects.toThrow(message);
  });

  test("is refused, with nothing written, if it would be unpacked where other users can replace files", async () => {
    using temporary = temporaryDirectory();
    const place = join(temporary.path, "others");
    mkdirSync(place);
    chmodSync(place, 0o777);
    const path = join(temporary.path, "image.tar.gz");
    writeFileSync(path, gzipSync(Buffer.alloc(5000)));
    vi.stubEnv("TMPDIR", place);
    try {
      await expect(readImage(path)).rejects.toThrow(`${place} can be written by other users`);
    } finally {
      vi.unstubAllEnvs();
    }
    expect(readdirSync(place)).toEqual([]);
  });

  test("is refused, with nothing left, if decompressed it needs more than the limit", async () => {
    using temporary = temporaryDirectory();
    const place = join(temporary.path, "own");
    mkdirSync(place);
    const path = join(temporary.path, "image.tar.gz");
    writeFileSync(path, gzipSync(Buffer.alloc(4 << 20)));
    vi.stubEnv("TMPDIR", place);
    try {
      await expect(readImage(path, { maxBytes: 1 << 20 })).rejects.toThrow(
        new ImageError(`read image ${path}: decompressed, it needs more than 1 MiB; raise GUESTCTL_IMAGE_LIMIT`),
      );
    } finally {
      vi.unstubAllEnvs();
    }
    expect(readdirSync(place)).toEqual([]);
  });

  test("is refused with one line if it is not a tar or doesn't exist", async () => {
    await expect(readBack([], () => Buffer.from("#!/bin/sh\n".repeat(100)))).rejects.toThrow(
      /^read image .*Invalid tar header/,
    );
    await expect(readBack([], () => gzipSync(Buffer.alloc(5000, "x")))).rejects.toThrow(
      /^read image .*Invalid tar header/,
    );
    await expect(readImage("/nonexistent/image.tar")).rejects.toThrow(/^read image \/nonexistent\/image.tar: ENOENT/);
  });
});
