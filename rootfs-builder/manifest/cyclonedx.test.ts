import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cyclonedx } from "./cyclonedx.ts";
import type { Manifest } from "./manifest.ts";

/** The part of the schema library that the test uses. Loaded dynamically, so that type checks don't need it. */
interface Library {
  readonly Validation: { JsonStrictValidator: new (version: string) => { validate(text: string): Promise<unknown> } };
}

const DIGEST = "a".repeat(64);

const MANIFEST: Manifest = {
  format: 1,
  version: "0.1.0",
  sources: [
    {
      id: "deb:libc6",
      ...{ name: "libc6", version: "2.36-9", madeFrom: "glibc 2.36-9" },
      licences: [{ id: "LGPL-2.1-or-later" }, { name: "BSD-3-clause or GPL-2" }],
      purl: "pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12",
      hash: { alg: "SHA-256", content: DIGEST },
    },
    { id: "npm:yaml@1", name: "yaml", version: "1", licences: [], purl: "pkg:npm/yaml@1", within: ["usr/bin/node"] },
  ],
  files: [
    { path: "usr", type: "directory", mode: "0755", part: "folders" },
    { path: "usr/bin/node", type: "file", mode: "0755", size: 1, sha256: DIGEST, part: "node", from: "node" },
    {
      ...{ path: "usr/lib/libc.so.6", type: "file", mode: "0755", size: 1, sha256: DIGEST, part: "libraries" },
      ...{ from: "deb:libc6", linkedBy: ["usr/bin/node"] },
    },
  ],
  boot: [],
};

function schemaErrors(text: string): Promise<unknown> {
  const library: Library = createRequire(import.meta.url)("@cyclonedx/cyclonedx-library");
  return new library.Validation.JsonStrictValidator("1.6").validate(text);
}

test("matches the schema of CycloneDX 1.6, with no unknown field", async () => {
  expect(await schemaErrors(JSON.stringify(cyclonedx(MANIFEST)))).toBeNull();
  const wrong = { ...cyclonedx(MANIFEST), components: [{ type: "libary", name: "x" }] };
  expect(await schemaErrors(JSON.stringify(wrong))).not.toBeNull();
});

test("describes the default image, and each reference names a component", async () => {
  const text = readFileSync(join(import.meta.dirname, "../../build/sbom.cdx.json"), "utf8");
  expect(await schemaErrors(text)).toBeNull();
  const named = new Set(Array.from(text.matchAll(/"bom-ref": "([^"]+)"/g), ([, ref]) => ref));
  const { dependencies } = JSON.parse(text) as { dependencies: { ref: string; dependsOn: string[] }[] };
  const used = dependencies.flatMap(({ ref, dependsOn }) => [ref, ...dependsOn]);
  expect(used.length).toBeGreaterThan(50);
  expect(used.filter((ref) => !named.has(ref))).toEqual([]);
});

test("lists a source for everything that boots in the default image", () => {
  const manifest: Manifest = JSON.parse(readFileSync(join(import.meta.dirname, "../../build/manifest.json"), "utf8"));
  const known = new Set(manifest.sources.map(({ id }) => id));
  expect(manifest.boot.length).toBeGreaterThan(10);
  expect(manifest.boot.filter(({ from = "" }) => !known.has(from)).map(({ path }) => path)).toEqual([]);
});

test("puts files below their packages, with what they are linked with and made of", () => {
  const { components, dependencies } = cyclonedx(MANIFEST);
  expect(components).toMatchObject([
    { "bom-ref": "deb:libc6", components: [{ name: "usr/lib/libc.so.6", hashes: [{ content: DIGEST }] }] },
    { "bom-ref": "npm:yaml@1" },
    { name: "usr/bin/node" },
  ]);
  expect(dependencies).toEqual([
    { ref: "guest", dependsOn: ["deb:libc6", "npm:yaml@1"] },
    { ref: "file:usr/bin/node", dependsOn: ["file:usr/lib/libc.so.6", "npm:yaml@1"] },
  ]);
});

test("scans each file for its dependencies once, however many files there are", () => {
  let looks = 0;
  const files = Array.from({ length: 200 }, (_, index) => ({
    ...({ path: `lib/${index}`, type: "file", part: "recipe" } as const),
    get linkedBy() {
      looks += 1;
      return ["lib/0"];
    },
  }));
  const { dependencies } = cyclonedx({ ...MANIFEST, files });
  expect([looks, (dependencies as readonly unknown[]).length]).toEqual([200, 2]);
});

test("gives equal images equal SBOMs, and others another serial number", () => {
  const other = cyclonedx({ ...MANIFEST, version: "0.1.1" });
  expect(cyclonedx(structuredClone(MANIFEST))).toEqual(cyclonedx(MANIFEST));
  expect(other["serialNumber"]).not.toBe(cyclonedx(MANIFEST)["serialNumber"]);
});
