import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { type CpioEntry, cpioArchive } from "./cpio.ts";

const ENTRIES: readonly CpioEntry[] = [
  { path: "dev", type: "directory", mode: 0o755 },
  { path: "init", type: "file", mode: 0o755, content: Buffer.from("#!\n") },
  { path: "link", type: "symlink", mode: 0o777, content: Buffer.from("init") },
  { path: "a-name-of-another-length", type: "file", mode: 0o444, content: Buffer.alloc(1001, "x") },
];

function cpio(args: readonly string[], input: Buffer): { status: number | null; output: string } {
  const { status, stdout } = spawnSync("cpio", args, { input });
  return { status, output: stdout.toString() };
}

describe("cpioArchive", () => {
  const archive = cpioArchive(ENTRIES);

  test("is readable by cpio: names, types, modes and owners", () => {
    const { status, output } = cpio(["-tv", "-n", "--quiet", "-H", "newc"], archive);
    expect(status).toBe(0);
    const fields = output
      .trim()
      .split("\n")
      .map((line) => line.split(/\s+/));
    expect(fields.map(([mode, , uid, gid, size]) => [mode, uid, gid, size])).toEqual([
      ["drwxr-xr-x", "0", "0", "0"],
      ["-rwxr-xr-x", "0", "0", "3"],
      ["lrwxrwxrwx", "0", "0", "4"],
      ["-r--r--r--", "0", "0", "1001"],
    ]);
    expect(fields.map((line) => line.slice(8).join(" "))).toEqual([
      "dev",
      "init",
      "link -> init",
      "a-name-of-another-length",
    ]);
  });

  test("returns the content of files", () => {
    const { output } = cpio(["-i", "--to-stdout", "--quiet", "-H", "newc", "a-name*"], archive);
    expect(output).toBe("x".repeat(1001));
  });

  test("gives equal bytes for equal entries, in whole blocks", () => {
    expect(cpioArchive(ENTRIES).equals(archive)).toBe(true);
    expect(archive.length % 512).toBe(0);
  });
});
