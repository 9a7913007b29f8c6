import { appendFileSync, existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { followFile } from "./follow-file.ts";

const directory = mkdtempSync(join(tmpdir(), "follow-"));
afterEach(() => vi.restoreAllMocks());

test.each<[string, number | undefined, string]>([
  ["a\nb\nc\n", undefined, "a\nb\nc\n"],
  ["a\nb\nc\n", 1, "c\n"],
  ["a\nb\nc\n", 2, "b\nc\n"],
  ["a\nb\nc\n", 9, "a\nb\nc\n"],
  ["a\nb\nc", 2, "b\nc"],
  ["\n\n", 1, "\n"],
  ["\n\n", 2, "\n\n"],
  ["\n", 1, "\n"],
  ["x", 1, "x"],
  ["", 3, ""],
  [`first\n${"x".repeat(200_000)}\nlast\n`, 2, `${"x".repeat(200_000)}\nlast\n`],
  [`${"x".repeat(65_535)}\n${"y".repeat(65_535)}\n`, 1, `${"y".repeat(65_535)}\n`],
])("prints a file from its last lines on (%#)", async (content, tail, printed) => {
  const path = join(directory, "file");
  writeFileSync(path, content);
  const out = capture();
  await followFile(path, () => true, new AbortController().signal, tail);
  expect(out()).toBe(printed);
  rmSync(path);
});

test.each<[string, string, number | undefined, string]>([
  ["a\nb\n", "c\n", undefined, "a\nb\nc\n"],
  ["a\nb\n", "c\nd\n", 2, "c\nd\n"],
  ["a\nb\n", "c\n", 2, "b\nc\n"],
  ["a\nb\n", "", 1, "b\n"],
  ["a\nb", "c\n", 1, "bc\n"],
  ["a\nb", "c", 2, "a\nbc"],
  ["a\nb\n", "c\n", 9, "a\nb\nc\n"],
])("prints a renamed file first, as one with the next (%#)", async (older, content, tail, printed) => {
  const path = join(directory, "two");
  writeFileSync(`${path}.1`, older);
  writeFileSync(path, content);
  const out = capture();
  await followFile(path, () => true, new AbortController().signal, tail);
  expect(out()).toBe(printed);
});

test("follows a file that is renamed again and again, also while the next doesn't exist yet", async () => {
  const path = join(directory, "many");
  writeFileSync(path, "0\n");
  let written = 0;
  // Called between two reads.
  const ended = () => {
    const isThere = existsSync(path);
    appendFileSync(path, `${++written}\n`);
    if (isThere) renameSync(path, `${path}.1`);
    if (isThere && written % 3 === 0) appendFileSync(path, `${++written}\n`);
    return written > 50;
  };
  const out = capture();
  await followFile(path, ended, new AbortController().signal);
  expect(out()).toBe(Array.from({ length: written + 1 }, (_, line) => `${line}\n`).join(""));
});

test("rejects for a file that doesn't exist, or can't be opened", async () => {
  const { signal } = new AbortController();
  await expect(followFile(join(directory, "none"), () => true, signal)).rejects.toThrow("ENOENT");
  await expect(followFile(join(directory, "two/none"), () => true, signal)).rejects.toThrow("ENOTDIR");
});

/** Returns a function that returns what has been printed. */
function capture(): () => string {
  let out = "";
  vi.spyOn(process.stdout, "write").mockImplementation(((bytes: Uint8Array, done: () => void) => {
    out += Buffer.from(bytes).toString();
    done();
    return true;
  }) as typeof process.stdout.write);
  return () => out;
}
