import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { debianPackage, packageTar } from "../debian/debian-package.ts";
import { mergeTars } from "../tree/merge.ts";
import { LIBRARY_PACKAGES } from "./contents.ts";
import { neededPart } from "./libraries.ts";

describe("neededPart, for the packages of the image", () => {
  const node = new Map([["node", readFileSync(process.execPath)]]);

  test("returns what Node loads at start, through links, and nothing else", async () => {
    const packages = await Promise.all(LIBRARY_PACKAGES.map((name) => debianPackage(name)));
    const all = await mergeTars(packages.map((one) => packageTar(one, (path) => path)));
    const part = neededPart(all, node);
    const names = [...part.keys()].map((path) => path.split("/").at(-1) ?? "");
    expect(new Set(names.map((name) => name.replace(/\.so.*/, "")))).toEqual(
      new Set(["libc", "libdl", "libgcc_s", "libm", "libpthread", "libstdc++", loader()]),
    );
    expect([...part.keys()].every((path) => path.startsWith("usr/"))).toBe(true);
  });

  test("names the library that no package has", () => {
    expect(() => neededPart(new Map(), node)).toThrow(/^node needs \S+\.so\S*: no package of the image has it$/);
  });
});

function loader(): string {
  return process.arch === "arm64" ? "ld-linux-aarch64" : "ld-linux-x86-64";
}
