import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { digestOf } from "../../image/digest.ts";
import { thisPlatform } from "../../image/platform.ts";
import { packTar, writeLayout } from "../../image/write-layout.ts";
import { inspectPath } from "./inspect-path.ts";

let directory = "";
let layer: Buffer;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "guestd-container-image-"));
  layer = await packTar([{ name: "etc/note", content: "a note" }]);
  await writeLayout(join(directory, "image.tar"), { name: "a", platform: thisPlatform(), config: {}, layers: [layer] });
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Returns kind and checks of a file with this content. */
async function look(name: string, content: Uint8Array) {
  const path = join(directory, name);
  writeFileSync(path, content);
  const [found] = (await inspectPath(path)).files;
  return [
    found?.kind,
    ...(found?.checks ?? []).map(({ name, ok, detail }) => `${name} ${ok ? "ok" : "FAILED"}: ${detail}`),
  ];
}

test("checks an OCI layout in a tar, plain or compressed", async () => {
  const bytes = readFileSync(join(directory, "image.tar"));
  const checks = ["OCI layout ok: 1.0.0", "blobs of the OCI layout ok: 3 blobs"];
  expect(await look("a.tar", bytes)).toEqual(["OCI layout (tar)", ...checks]);
  expect(await look("a.tar.gz", gzipSync(bytes))).toEqual(["OCI layout (tar, gzip)", ...checks]);
  expect(await look("a.tar.zst", zstdCompressSync(bytes))).toEqual(["OCI layout (tar, zstd)", ...checks]);
});

test("names a blob that doesn't match its digest", async () => {
  const bytes = readFileSync(join(directory, "image.tar"));
  const config = bytes.indexOf('{"created":"1970');
  bytes.write("2", config + '{"created":"'.length);
  const [kind, , blobs] = await look("damaged.tar", bytes);
  expect([kind, blobs]).toEqual([
    "OCI layout (tar)",
    expect.stringMatching(/^blobs of the OCI layout FAILED: [0-9a-f]{12} doesn't match; /),
  ]);
});

test("checks the format that docker save wrote before OCI layouts", async () => {
  const rootfs = { type: "layers", diff_ids: [digestOf(layer)] };
  const { os, architecture } = thisPlatform();
  const config = JSON.stringify({ os, architecture, config: {}, rootfs });
  const saved = (content: Buffer) =>
    packTar([
      {
        name: "manifest.json",
        content: JSON.stringify([{ Config: "config.json", RepoTags: [], Layers: ["layer.tar"] }]),
      },
      { name: "config.json", content: config },
      { name: "layer.tar", content },
    ]);
  expect(await look("saved.tar", await saved(layer))).toEqual([
    "docker save (tar)",
    "layers ok: 1, all match their digests",
  ]);
  const [, check] = await look("other.tar", await saved(await packTar([{ name: "etc/note", content: "another" }])));
  expect(check).toMatch(/^layers FAILED: .*the content of layer layer\.tar/);
});

test("refuses a tar with more files than an image has", async () => {
  const header = (await packTar([{ name: "00000", content: "" }])).subarray(0, 512);
  const many = Array.from({ length: 20_001 }, (_, index) => {
    const one = Buffer.from(header);
    const digits = String(index).padStart(5, "0");
    one.write(digits);
    const sum = [...digits].reduce(
      (all, digit) => all + Number(digit),
      Number.parseInt(one.toString("latin1", 148, 154), 8),
    );
    one.write(sum.toString(8).padStart(6, "0"), 148);
    return one;
  });
  expect(await look("many.tar", Buffer.concat([...many, Buffer.alloc(1024)]))).toEqual([
    "?",
    expect.stringMatching(/^content FAILED: read image .*: it contains more than 20000 files$/),
  ]);
});

test("reports that another tar is not an image", async () => {
  expect(await look("layer.tar", layer)).toEqual([
    "?",
    "content FAILED: a tar, but not an image: it has neither oci-layout nor manifest.json",
  ]);
});
