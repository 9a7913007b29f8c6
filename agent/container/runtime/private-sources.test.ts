import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MNT_DETACH, MS_BIND, MS_PRIVATE, MS_REC } from "../../kernel/constants.ts";
import { type Files, realFiles } from "../../kernel/files.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import type { MountSpec } from "../spec.ts";
import { privateSources, releaseSources } from "./private-sources.ts";

const SOURCES = "/run/guestd/sources";
leavesNoDescriptors();

let directory = "";
let mounted: string[] = [];
let calls: unknown[][] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "private-sources-"));
  [mounted, calls] = [[], []];
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Real files, with the agent's own directory in a temporary one; mounts are played. */
function kernel() {
  const at = (path: string) => (path.startsWith(SOURCES) ? join(directory, path.slice("/run/guestd/".length)) : path);
  const files: Files = {
    ...realFiles,
    makeDirectory: (path, mode) => realFiles.makeDirectory(at(path), mode),
    replace: (path, text) => realFiles.replace(at(path), text),
    exists: (path) => realFiles.exists(at(path)),
    list: (path) => realFiles.list(at(path)),
    removeTree: (path) => realFiles.removeTree(at(path)),
    mounts: () => mounted.map((path) => `1 1 0:1 / ${path} rw - tmpfs none rw\n`).join(""),
  };
  const sys = {
    ...openSys(),
    async mount(...args: [string, string, string, number, string]) {
      calls.push(args);
    },
    async umount(...args: [string, number]) {
      calls.push(args);
    },
  };
  return { sys, files };
}

const bind = (source: string, options: string[] = ["bind"]): MountSpec => ({
  ...{ destination: "/data", type: "bind", source, options },
});

test("a bind source is mounted in the agent's directory, a directory on one and a file on one", async () => {
  const [tree, file] = [join(directory, "tree"), join(directory, "file")];
  mkdirSync(tree);
  writeFileSync(file, "");
  const proc: MountSpec = { destination: "/proc", type: "proc", source: "proc", options: [] };
  const mounts = [proc, bind(tree), bind(file), bind(tree, ["bind", "remount"])];
  const changed = await privateSources(kernel(), "c1", mounts);
  expect(changed).toEqual([
    proc,
    { ...mounts[1], source: `${SOURCES}/c1/1` },
    { ...mounts[2], source: `${SOURCES}/c1/2` },
    mounts[3],
  ]);
  const from = expect.stringMatching(/^\/proc\/self\/fd\/\d+$/);
  expect(calls).toEqual([
    [from, `${SOURCES}/c1/1`, "", MS_BIND | MS_REC, ""],
    [from, `${SOURCES}/c1/2`, "", MS_BIND | MS_REC, ""],
  ]);
  expect(realFiles.list(join(directory, "sources/c1/1"))).toEqual([]);
  expect(realFiles.readText(join(directory, "sources/c1/2"))).toBe("");
});

test("they are made private, unmounted and removed, mounted or not", async () => {
  const { sys, files } = kernel();
  files.makeDirectory(`${SOURCES}/c1/0`);
  const failing = { ...sys, mount: async () => Promise.reject(new Error("EINVAL")) };
  await releaseSources({ sys, files }, "c1");
  expect(calls).toEqual([
    ["", `${SOURCES}/c1/0`, "", MS_PRIVATE | MS_REC, ""],
    [`${SOURCES}/c1/0`, MNT_DETACH],
  ]);
  expect(existsSync(join(directory, "sources/c1"))).toBe(false);
  files.makeDirectory(`${SOURCES}/c1/0`);
  await releaseSources({ sys: failing, files }, "c1");
  expect(existsSync(join(directory, "sources/c1"))).toBe(false);
  await releaseSources({ sys: failing, files }, "c1");
});

test("what is mounted still is not removed", async () => {
  const { sys, files } = kernel();
  files.makeDirectory(`${SOURCES}/c1/0`);
  mounted = [`${SOURCES}/c1/0`];
  await releaseSources({ sys, files }, "c1");
  expect(existsSync(join(directory, "sources/c1/0"))).toBe(true);
  mounted = [`${SOURCES}/c10/0`];
  await releaseSources({ sys, files }, "c1");
  expect(existsSync(join(directory, "sources/c1"))).toBe(false);
});
