import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
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
  let out = "";
  vi.spyOn(process.stdout, "write").mockImplementation(((bytes: Uint8Array, done: () => void) => {
    out += Buffer.from(bytes).toString();
    done();
    return true;
  }) as typeof process.stdout.write);
  await followFile(path, () => true, new AbortController().signal, tail);
  expect(out).toBe(printed);
  rmSync(path);
});
