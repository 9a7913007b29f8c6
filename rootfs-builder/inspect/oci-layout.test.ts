import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { directoryStore } from "../../image/blob-store.ts";
import { MAX_JSON_BYTES } from "../../image/image-json.ts";
import { ociChecks } from "./oci-layout.ts";

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "guestd-oci-"));
  await mkdir(join(directory, "blobs/sha256"), { recursive: true });
  await writeFile(join(directory, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
});
afterEach(() => rm(directory, { recursive: true }));

/** Writes a blob and returns its descriptor. */
async function blob(content: string, mediaType = "application/octet-stream") {
  const hex = createHash("sha256").update(content).digest("hex");
  await writeFile(join(directory, "blobs/sha256", hex), content);
  return { digest: `sha256:${hex}`, size: content.length, mediaType };
}

async function checks(manifests: readonly object[], filler = ""): Promise<readonly string[]> {
  await writeFile(join(directory, "index.json"), JSON.stringify({ manifests, filler }));
  return (await ociChecks(directoryStore(directory), directory)).map(
    ({ ok, detail }) => `${ok ? "" : "not "}ok: ${detail}`,
  );
}

test("counts each blob once, and reports a missing one", async () => {
  const config = await blob("{}");
  const manifest = await blob(
    JSON.stringify({ config, layers: [config] }),
    "application/vnd.oci.image.manifest.v1+json",
  );
  expect(await checks([manifest, manifest])).toEqual(["ok: 1.0.0", "ok: 2 blobs"]);
  await rm(join(directory, "blobs/sha256", config.digest.replace("sha256:", "")));
  const gone = `${config.digest.slice(7, 19)} is missing; wanted: all match their digests`;
  expect(await checks([manifest])).toEqual(["ok: 1.0.0", `not ok: ${gone}`]);
});

test("accepts an index up to the size limit of images, and limits the number of blobs", async () => {
  const one = await blob("1");
  const empty = JSON.stringify({ manifests: [one], filler: "" }).length;
  expect(await checks([one], "x".repeat(MAX_JSON_BYTES - empty))).toEqual(["ok: 1.0.0", "ok: 1 blobs"]);
  await expect(checks([one], "x".repeat(MAX_JSON_BYTES - empty + 1))).rejects.toThrow(
    `index.json: no file of up to ${MAX_JSON_BYTES} bytes`,
  );
  const many = Array.from({ length: 1001 }, (_, index) => {
    return { ...one, digest: `sha256:${String(index).padStart(64, "0")}` };
  });
  await expect(checks(many)).rejects.toThrow("more than 1000 blobs");
  const [, , ...told] = (await checks(many.slice(1)))[1]?.split("; ") ?? [];
  expect(told.length).toBe(19);
});
