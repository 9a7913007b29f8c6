import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { writeArtifact } from "./oci-artifact.ts";

const FILES = [
  { file: "vmlinux", role: "kernel", mediaType: "application/vnd.guestd.kernel" },
  { file: "root.erofs.img", role: "root", mediaType: "application/vnd.guestd.root.raw" },
];

describe("writeArtifact", () => {
  let directory = "";
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "guestd-artifact-"));
    await writeFile(join(directory, "vmlinux"), "kernel");
    await writeFile(join(directory, "root.erofs.img"), "root");
  });
  afterEach(() => rm(directory, { recursive: true }));
  const json = async (...path: string[]) => JSON.parse(await readFile(join(directory, ...path), "utf8"));

  test("writes a layout whose blobs match their digests, by name and role", async () => {
    const digest = await writeArtifact(directory, FILES, join(directory, "oci"), { version: "1" });
    expect(await json("oci/oci-layout")).toEqual({ imageLayoutVersion: "1.0.0" });
    const index = await json("oci/index.json");
    expect(index.manifests.map((one: { digest: string }) => one.digest)).toEqual([digest]);
    const manifest = await json("oci/blobs/sha256", digest.replace("sha256:", ""));
    expect(manifest).toMatchObject({ artifactType: "application/vnd.guestd.guest.v1", annotations: { version: "1" } });
    expect(manifest.layers.map((layer: { annotations: unknown }) => layer.annotations)).toEqual([
      { "org.opencontainers.image.title": "vmlinux", "dev.guestd.role": "kernel" },
      { "org.opencontainers.image.title": "root.erofs.img", "dev.guestd.role": "root" },
    ]);
    const blobs = await readdir(join(directory, "oci/blobs/sha256"));
    expect(blobs.length).toBe(4);
    for (const { digest, size } of [manifest.config, ...manifest.layers]) {
      const content = await readFile(join(directory, "oci/blobs/sha256", digest.replace("sha256:", "")));
      expect([`sha256:${createHash("sha256").update(content).digest("hex")}`, content.length]).toEqual([digest, size]);
    }
  });

  test("replaces an older layout, and is equal for equal files", async () => {
    const target = join(directory, "oci");
    const first = await writeArtifact(directory, FILES, target, {});
    await writeFile(join(directory, "vmlinux"), "another kernel");
    expect(await writeArtifact(directory, FILES, target, {})).not.toBe(first);
    await writeFile(join(directory, "vmlinux"), "kernel");
    expect(await writeArtifact(directory, FILES, target, {})).toBe(first);
    expect((await readdir(directory)).sort()).toEqual(["oci", "root.erofs.img", "vmlinux"]);
  });
});
