import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AgentError, SystemError } from "../../kernel/error.ts";
import { type ContainedFiles, type FileRoot, guestRoot } from "../../kernel/files/contained-files.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { containedDouble } from "../../kernel/testing/contained-double.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import type { MountSpec } from "../spec.ts";
import { makeMissingSources } from "./missing-sources.ts";

leavesNoDescriptors();
const sys = openSys();
let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sources-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const [ENOENT, EACCES] = [2, 13];
const missing = new SystemError("bind mount", ENOENT, "/data");
const bind = (source: string, type = "bind"): MountSpec => ({
  destination: "/there",
  type,
  source,
  options: ["rbind"],
});
const at = (name: string) => join(directory, name);
const make = (mounts: readonly MountSpec[], error: unknown) =>
  makeMissingSources(containedDouble(sys), { id: "c1", mounts }, error);

test("missing sources of binds become directories, with those above them", async () => {
  const mounts = [bind(at("a/b/c")), bind(at("d"), "none"), { ...bind(at("e")), type: "tmpfs", options: [] }];
  expect(await make(mounts, missing)).toBe(true);
  expect(["a/b/c", "d", "e"].map((name) => existsSync(at(name)))).toEqual([true, true, false]);
  expect(statSync(at("a/b/c")).mode & 0o7777).toBe(0o755 & ~process.umask());
  expect(await make(mounts, missing)).toBe(false);
});

test("sources that exist stay as they are, and one that can't be created helps no retry", async () => {
  writeFileSync(at("file"), "kept");
  expect(await make([bind(at("file")), bind(at("file/below"))], missing)).toBe(false);
  expect(statSync(at("file")).isFile()).toBe(true);
  expect(await make([bind(at("file/below/x")), bind(at("new"))], missing)).toBe(true);
});

test("no directory is created through a symbolic link", async () => {
  mkdirSync(at("real"));
  symlinkSync(at("real"), at("link"));
  expect(await make([bind(at("link/new"))], missing)).toBe(false);
  expect(existsSync(at("real/new"))).toBe(false);
});

test("a file server of the container makes the calls; without its answers no source is created", async () => {
  const roots: FileRoot[] = [];
  const open = () => Promise.reject(new AgentError("unavailable", "the file system did not answer"));
  const contained = containedDouble(sys, { open });
  const use: ContainedFiles["use"] = (root, ...rest) => {
    roots.push(root);
    return contained.use(root, ...rest);
  };
  expect(await makeMissingSources({ ...contained, use }, { id: "c1", mounts: [bind(at("new"))] }, missing)).toBe(false);
  expect(roots).toEqual([guestRoot("c1")]);
});

test.each<[string, unknown, boolean]>([
  ["a bind's missing source", missing, true],
  ["an error that it caused", new Error("create container", { cause: missing }), true],
  ["another error of a bind", new SystemError("bind mount", EACCES, "/data"), false],
  ["a missing file of another call", new SystemError("mount", ENOENT, "/data"), false],
  ["an error without a cause", new Error("create container"), false],
  ["a cause that is no system error", new Error("create container", { cause: new Error("x") }), false],
])("sources are created after %s, and only then", async (_, error, expected) => {
  expect(await make([bind(at("new"))], error)).toBe(expected);
  expect(existsSync(at("new"))).toBe(expected);
});
