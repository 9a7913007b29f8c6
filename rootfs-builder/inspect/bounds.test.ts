import { expect, test } from "vitest";
import type { Tree, TreeEntry } from "../tree/tree.ts";
import { kernelImage } from "./kernel-image.ts";
import { MODULE_LIST, moduleChecks } from "./module-checks.ts";
import { follow } from "./root-checks.ts";

const DIRECTORY: TreeEntry = { type: "directory", mode: 0o755 };
const link = (target: string): TreeEntry => ({ type: "symlink", target });
const listOf = (count: number): Tree => {
  const lines = Array.from({ length: count }, (_, index) => `/lib/modules/${"x".repeat(50)}${index}.ko\n`);
  return new Map([[MODULE_LIST, { type: "file", mode: 0o644, content: Buffer.from(lines.join("")) }]]);
};

test("an initramfs with a list of more modules than any kernel has is refused, one that lacks many has a short line", () => {
  expect(() => moduleChecks(listOf(1001))).toThrow("initramfs: a list of more than 1000 modules");
  const [modules] = moduleChecks(listOf(1000)).checks;
  expect(modules?.ok).toBe(false);
  expect(modules?.detail).toMatch(/is missing/);
  expect(modules?.detail.length).toBeLessThan(1200);
});

test("a kernel's version is not read to the next NUL byte, wherever that is", () => {
  const kernel = Buffer.alloc(1 << 20, "6");
  kernel.write("HdrS", 0x202, "latin1");
  kernel.writeUInt16LE(0xaa55, 0x1fe);
  kernel.writeUInt16LE(0x100, 0x20e);
  expect(kernelImage(kernel).banner).toHaveLength(400);
});

/** Each name of `count` leads twice to the next one, the last to the root. */
function doubling(count: number): Tree {
  const lines = Array.from({ length: count }, (_, at): [string, TreeEntry] => [
    `l${at}`,
    link(`l${at + 1}/l${at + 1}`),
  ]);
  return new Map([...lines, [`l${count}`, link(".")], ["d", DIRECTORY]]);
}

test("links that lead to each other, or to themselves again and again, come to an end", () => {
  const circle: Tree = new Map([
    ["a", link("b")],
    ["b", link("a")],
  ]);
  expect(follow(circle, "a")).toBeUndefined();
  expect(follow(doubling(3), "l0/d")).toBe(DIRECTORY);
  expect(follow(doubling(30), "l0/d")).toBeUndefined();
  const winding = (turns: number): Tree => {
    return new Map([
      ["d", DIRECTORY],
      ["l", link(`${"d/../".repeat(turns)}d`)],
    ]);
  };
  expect(follow(winding(500), "l")).toBe(DIRECTORY);
  expect(follow(winding(1100), "l")).toBeUndefined();
});
