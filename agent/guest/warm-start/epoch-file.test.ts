import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeEpoch } from "./epoch-file.ts";

let directory: string;
let umask: number;
beforeEach(() => {
  umask = process.umask(0o022); // as init gives it to the agent
  directory = mkdtempSync(join(tmpdir(), "epoch-"));
});
afterEach(() => {
  process.umask(umask);
  rmSync(directory, { recursive: true });
});

test("holds the epoch as a line, readable for all, in the same inode for good", () => {
  const path = join(directory, "epoch");
  writeEpoch(path, 0);
  const { ino, mode } = statSync(path);
  expect(mode & 0o777).toBe(0o644);
  for (const epoch of [9, 10, 2 ** 53 - 1]) {
    writeEpoch(path, epoch);
    expect(readFileSync(path, "utf8")).toBe(`${epoch}\n`);
  }
  expect(statSync(path).ino).toBe(ino);
});

test("a watcher sees a new epoch as a change of the file, and nothing if the epoch is the same", async () => {
  const path = join(directory, "epoch");
  writeEpoch(path, 1);
  const events: string[] = [];
  const changed = Promise.withResolvers<void>();
  const watcher = watch(path, (event) => {
    events.push(event);
    changed.resolve();
  });
  writeEpoch(path, 1);
  writeEpoch(path, 2);
  await changed.promise;
  watcher.close();
  expect(new Set(events)).toEqual(new Set(["change"]));
});

test("doesn't follow a link", () => {
  const path = join(directory, "epoch");
  symlinkSync(join(directory, "elsewhere"), path);
  expect(() => writeEpoch(path, 1)).toThrow("ELOOP");
});
