import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { FollowedFile } from "./followed-file.ts";

function follow(before: string, from?: number) {
  const directory = mkdtempSync(join(tmpdir(), "followed-"));
  const path = join(directory, "log");
  if (before !== "") writeFileSync(path, before);
  const seen = { text: "" };
  const file = new FollowedFile(
    path,
    (bytes) => {
      seen.text += bytes.toString();
    },
    from,
  );
  onTestFinished(() => {
    file[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  });
  return { path, seen, file };
}

test("what a file has and gets is read, from a byte on", async () => {
  const { path, seen } = follow("earlier one", 8);
  expect(seen.text).toBe("one");
  appendFileSync(path, " two");
  await expect.poll(() => seen.text).toBe("one two");
});

test("a file may be created later, and is followed when it is renamed because it is full", async () => {
  const { path, seen } = follow("");
  writeFileSync(path, "first ");
  await expect.poll(() => seen.text).toBe("first ");
  appendFileSync(path, "second ");
  renameSync(path, `${path}.1`);
  writeFileSync(path, "third");
  await expect.poll(() => seen.text).toBe("first second third");
});

test("of a file that got much, the rest is read after other work", async () => {
  const { path, seen, file } = follow("");
  writeFileSync(path, Buffer.alloc(8 << 20, "x"));
  file.read();
  expect(seen.text.length).toBeLessThan(8 << 20);
  await expect.poll(() => seen.text.length).toBe(8 << 20);
});

test("nothing is read after disposal", () => {
  const { path, seen, file } = follow("one");
  file[Symbol.dispose]();
  file[Symbol.dispose]();
  appendFileSync(path, "two");
  file.read();
  expect(seen.text).toBe("one");
});
