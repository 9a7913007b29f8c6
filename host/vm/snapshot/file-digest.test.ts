import { createHash } from "node:crypto";
import { readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../../image/testing/tree.ts";
import { fileDigest } from "./file-digest.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

test("a file is read once, and again when it changes, even with the same size and time", async () => {
  using folder = temporaryDirectory();
  const [file, cache] = [join(folder.path, "file"), join(folder.path, "digests.json")];
  writeFileSync(file, "one");
  utimesSync(file, 1, 1);
  expect(await fileDigest(file, cache)).toBe(sha256("one"));
  const [[key = ""] = []] = Object.entries(JSON.parse(readFileSync(cache, "utf8")) as object);
  writeFileSync(cache, JSON.stringify({ [key]: "known" }));
  expect(await fileDigest(file, cache)).toBe("known");
  writeFileSync(file, "two");
  utimesSync(file, 1, 1);
  expect(await fileDigest(file, cache)).toBe(sha256("two"));
});

test("a damaged cache is an empty one", async () => {
  using folder = temporaryDirectory();
  const [file, cache] = [join(folder.path, "file"), join(folder.path, "digests.json")];
  writeFileSync(file, "one");
  for (const damaged of ["{", "[]", '{"1:2:3:4:5":6}']) {
    writeFileSync(cache, damaged);
    expect(await fileDigest(file, cache)).toBe(sha256("one"));
  }
});
