import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { cpioArchive } from "../../../rootfs-builder/initramfs/cpio.ts";
import { readCpio } from "./read-cpio.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "guestd-cpio-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const file = (path: string, content = Buffer.from("x")) => ({ path, type: "file", mode: 0o644, content }) as const;
/** Made by the cpio program. */
const packed = (...names: string[]) =>
  execFileSync("cpio", ["--create", "--format=newc", "--quiet"], { cwd: directory, input: `${names.join("\n")}\n` });

test("files are read back unchanged", () => {
  const name = fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,20}$/);
  const files = fc.uniqueArray(fc.tuple(name, fc.uint8Array({ maxLength: 50 })), {
    selector: ([key]) => key,
    maxLength: 8,
  });
  fc.assert(
    fc.property(files, (entries) => {
      const archive = cpioArchive(entries.map(([path, bytes]) => file(path, Buffer.from(bytes))));
      const read = [...readCpio(archive)].map(([path, content]) => [path, [...content]]);
      expect(read).toEqual(entries.map(([path, bytes]) => [path, [...bytes]]));
    }),
  );
});

test("reads an archive that cpio itself wrote", () => {
  writeFileSync(join(directory, "agent.cjs"), "agent");
  writeFileSync(join(directory, "sys.node"), "sys");
  expect([...readCpio(packed("agent.cjs", "sys.node"))].map(([name, content]) => [name, content.toString()])).toEqual([
    ["agent.cjs", "agent"],
    ["sys.node", "sys"],
  ]);
});

test("refuses anything but a regular file with a simple name", () => {
  mkdirSync(join(directory, "dir"));
  symlinkSync("/etc/passwd", join(directory, "link"));
  for (const name of ["dir", "link"])
    expect(() => readCpio(packed(name))).toThrow(`"${name}" is no file with a simple`);
  for (const name of ["../x", "a/b", ".", "..", ".x", "A", "", "x".repeat(65)]) {
    expect(() => readCpio(cpioArchive([file(name)])), name).toThrow("is no file with a simple name");
  }
  expect(() => readCpio(cpioArchive([file("a"), file("a")]))).toThrow('"a" is no file with a simple name of its own');
  const many = Array.from({ length: 65 }, (_, index) => file(`f${index}`));
  expect(() => readCpio(cpioArchive(many))).toThrow("it ends within, or after, f64");
});

test("an archive that is truncated or changed anywhere yields files or one line", () => {
  const archive = cpioArchive([file("a", Buffer.alloc(100)), file("b")]);
  for (let length = 0; length < archive.lastIndexOf("TRAILER"); length++) {
    expect(() => readCpio(archive.subarray(0, length)), String(length)).toThrow(/^[^\n]{1,200}$/);
  }
  fc.assert(
    fc.property(fc.nat(archive.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
      const changed = Buffer.from(archive);
      changed[at] = byte;
      try {
        for (const content of readCpio(changed).values()) expect(content.length).toBeLessThanOrEqual(archive.length);
      } catch (error) {
        expect((error as Error).message).toMatch(/^[^\n]{1,200}$/);
      }
    }),
  );
});
