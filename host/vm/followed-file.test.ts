import { appendFileSync, mkdtempSync, renameSync, rmSync, type watch, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { FollowedFile } from "./followed-file.ts";

function follow(before: string, from?: number, watchFolder?: typeof watch) {
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
    watchFolder,
  );
  onTestFinished(() => {
    file[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  });
  return { path, seen, file };
}

test("a file is read from a byte on, and whenever it grows", async () => {
  const { path, seen } = follow("earlier one", 8);
  expect(seen.text).toBe("one");
  appendFileSync(path, " two");
  await expect.poll(() => seen.text).toBe("one two");
});

test("a file that is created later is followed, and the next one once it is full", async () => {
  const { path, seen } = follow("");
  writeFileSync(path, "first ");
  await expect.poll(() => seen.text).toBe("first ");
  appendFileSync(path, "second ");
  renameSync(path, `${path}.1`);
  writeFileSync(path, "third");
  await expect.poll(() => seen.text).toBe("first second third");
});

test("a guest that prints much doesn't hold up other work: the rest is read later", async () => {
  const { path, seen, file } = follow("");
  writeFileSync(path, Buffer.alloc(8 << 20, "x"));
  file.read();
  expect(seen.text.length).toBeLessThan(8 << 20);
  await expect.poll(() => seen.text.length).toBe(8 << 20);
});

test("without an inotify watch left, a file is followed all the same", async () => {
  const exhausted = (() => {
    throw Object.assign(new Error("System limit for number of file watchers reached"), { code: "ENOSPC" });
  }) as unknown as typeof watch;
  const { path, seen } = follow("one", 0, exhausted);
  appendFileSync(path, " two");
  await expect.poll(() => seen.text).toBe("one two");
});

test("nothing is read after disposal", () => {
  const { path, seen, file } = follow("one");
  file[Symbol.dispose]();
  file[Symbol.dispose]();
  appendFileSync(path, "two");
  file.read();
  expect(seen.text).toBe("one");
});
