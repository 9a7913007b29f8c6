import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SystemError } from "../../kernel/error.ts";
import { openSys } from "../../kernel/sys/sys.ts";
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

test("missing sources of binds become directories, with those above them", async () => {
  const mounts = [bind(at("a/b/c")), bind(at("d"), "none"), { ...bind(at("e")), type: "tmpfs", options: [] }];
  expect(await makeMissingSources(sys, mounts, missing)).toBe(true);
  expect(["a/b/c", "d", "e"].map((name) => existsSync(at(name)))).toEqual([true, true, false]);
  expect(statSync(at("a/b/c")).mode & 0o7777).toBe(0o755 & ~process.umask());
  expect(await makeMissingSources(sys, mounts, missing)).toBe(false);
});

test("sources that exist stay as they are, and one that can't be created helps no retry", async () => {
  writeFileSync(at("file"), "kept");
  expect(await makeMissingSources(sys, [bind(at("file")), bind(at("file/below"))], missing)).toBe(false);
  expect(statSync(at("file")).isFile()).toBe(true);
  expect(await makeMissingSources(sys, [bind(at("file/below/x")), bind(at("new"))], missing)).toBe(true);
});

test("no directory is created through a symbolic link", async () => {
  mkdirSync(at("real"));
  symlinkSync(at("real"), at("link"));
  expect(await makeMissingSources(sys, [bind(at("link/new"))], missing)).toBe(false);
  expect(existsSync(at("real/new"))).toBe(false);
});

test.each<[string, unknown, boolean]>([
  ["a bind's missing source", missing, true],
  ["an error that it caused", new Error("create container", { cause: missing }), true],
  ["another error of a bind", new SystemError("bind mount", EACCES, "/data"), false],
  ["a missing file of another call", new SystemError("mount", ENOENT, "/data"), false],
  ["an error without a cause", new Error("create container"), false],
  ["a cause that is no system error", new Error("create container", { cause: new Error("x") }), false],
])("sources are created after %s, and only then", async (_, error, expected) => {
  expect(await makeMissingSources(sys, [bind(at("new"))], error)).toBe(expected);
  expect(existsSync(at("new"))).toBe(expected);
});
