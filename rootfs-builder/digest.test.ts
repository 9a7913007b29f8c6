import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { digestOf, FileDigests } from "./digest.ts";

describe("digestOf", () => {
  test("distinguishes parts", () => {
    expect(digestOf("ab", "c")).not.toBe(digestOf("a", "bc"));
    expect(digestOf("a", Buffer.from("b"))).toBe(digestOf("a", "b"));
  });
});

describe("FileDigests", () => {
  let directory = "";
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "guestd-digest-"));
    await mkdir(join(directory, "folder", "sub"), { recursive: true });
    await writeFile(join(directory, "folder", "sub", "a.ts"), "one");
    await writeFile(join(directory, "folder", "b.md"), "text");
  });
  afterEach(() => rm(directory, { recursive: true }));

  const open = () => FileDigests.open(join(directory, "memory.json"));
  const ofFolder = async () => (await open()).folder(join(directory, "folder"), (path) => path.endsWith(".ts"));

  test("notice a change of content", async () => {
    const digests = await open();
    const file = join(directory, "folder", "b.md");
    const before = await digests.file(file);
    await digests.save();
    expect(await (await open()).file(file)).toBe(before);
    await writeFile(file, "more text");
    expect(await (await open()).file(file)).not.toBe(before);
  });

  test("cover the selected files of a folder, by path and content", async () => {
    const before = await ofFolder();
    await writeFile(join(directory, "folder", "b.md"), "not taken");
    expect(await ofFolder()).toBe(before);
    await writeFile(join(directory, "folder", "sub", "c.ts"), "one");
    expect(await ofFolder()).not.toBe(before);
  });
});
