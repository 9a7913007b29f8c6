import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { elfSections, neededLibraries } from "./elf.ts";

describe("neededLibraries", () => {
  test("matches readelf for the Node that runs this", () => {
    const { stdout } = spawnSync("readelf", ["-d", process.execPath], { encoding: "utf8" });
    const expected = [...stdout.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, name]) => name);
    expect(expected).toContain("libc.so.6");
    expect(neededLibraries(readFileSync(process.execPath), "node")).toEqual(expected);
  });
});

describe("elfSections", () => {
  const header = (patch: (bytes: Buffer) => void) => {
    const bytes = Buffer.alloc(64);
    bytes.write("\x7fELF\x02\x01", 0, "latin1");
    patch(bytes);
    return bytes;
  };

  test.each<[string, Buffer, string]>([
    ["text", Buffer.from("#!/bin/sh\n".repeat(10)), "no ELF header"],
    ["a 32-bit file", header((bytes) => bytes.writeUInt8(1, 4)), "not 64-bit little-endian"],
    ["a file cut short", header((bytes) => bytes.writeUInt16LE(9, 60)), "section headers past the end"],
  ])("refuses %s in one line", (_what, file, why) => {
    expect(() => elfSections(file, "thing")).toThrow(`thing: ${why}: unsupported ELF file`);
  });
});
