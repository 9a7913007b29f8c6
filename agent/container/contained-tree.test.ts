import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { leavesNoDescriptors } from "../kernel/testing/leaves-no-descriptors.ts";
import { containedTree } from "./contained-tree.ts";

leavesNoDescriptors();
const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
const FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tree-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function inDirectory<T>(path: string, work: (dir: number) => T): T {
  const dir = openSync(path, O_RDONLY | O_DIRECTORY);
  try {
    return work(dir);
  } finally {
    closeSync(dir);
  }
}

test.each(["self", process.pid] as const)("opens an entry below a directory, in the mounts of process %s", (pid) => {
  mkdirSync(join(directory, "below"));
  inDirectory(directory, (dir) => {
    const fd = containedTree(pid).openEntry(dir, Buffer.from("below"), FLAGS);
    expect(fstatSync(fd).ino).toBe(statSync(join(directory, "below")).ino);
    closeSync(fd);
  });
});

test("doesn't leave the directory, and reports other errors as they are", () => {
  symlinkSync("/", join(directory, "out"));
  inDirectory(directory, (dir) => {
    const { openEntry } = containedTree("self");
    expect(() => openEntry(dir, Buffer.from(".."), FLAGS)).toThrow("EXDEV");
    expect(() => openEntry(dir, Buffer.from("out"), O_RDONLY | O_NOFOLLOW)).toThrow("ELOOP");
    expect(() => openEntry(dir, Buffer.from("none"), FLAGS)).toThrow('open "none": ENOENT');
  });
});

test("doesn't enter file systems that generate their content", () => {
  inDirectory("/proc", (dir) => {
    const refusal = "open: EXDEV (copies don't enter file systems of type proc)";
    expect(() => containedTree("self").checkMount(dir)).toThrow(refusal);
  });
  inDirectory("/", (dir) => {
    const refusal = "open: EXDEV (copies don't enter file systems of type proc)";
    expect(() => containedTree("self").openEntry(dir, Buffer.from("proc"), FLAGS)).toThrow(refusal);
  });
  inDirectory(directory, (dir) => expect(() => containedTree("self").checkMount(dir)).not.toThrow());
});
