import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { addonPaths, loadAddon } from "./load-addon.ts";

let directory = "";
const main = process.argv[1];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "guestd-addon-"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  process.argv[1] = main ?? "";
  rmSync(directory, { recursive: true });
});

/** Names a file of the test as sys.node. */
const choose = (name: string) => vi.stubEnv("GUESTD_SYS_NODE", join(directory, name));

test("an addon is searched beside the bundle, then in the build", () => {
  vi.stubEnv("GUESTD_SYS_NODE", "");
  process.argv[1] = join(directory, "agent.cjs");
  const built = join(import.meta.dirname, "../../../build/native");
  expect(addonPaths("sys.node")).toEqual([join(directory, "sys.node"), join(built, "sys.node")]);
});

test("a chosen sys.node is the only one, and other addons are in its folder", () => {
  choose("other.node");
  expect(addonPaths("sys.node")).toEqual([join(directory, "other.node")]);
  expect(addonPaths("seccomp.node")).toEqual([join(directory, "seccomp.node")]);
});

test("the first addon that exists is loaded", () => {
  vi.stubEnv("GUESTD_SYS_NODE", "");
  process.argv[1] = join(directory, "agent.cjs");
  expect(loadAddon("sys.node")).toHaveProperty("pipe");
  writeFileSync(join(directory, "test.cjs"), "module.exports = 7;");
  expect(loadAddon("test.cjs")).toBe(7);
});

test("a missing addon is reported with the searched paths and the remedy", () => {
  choose("none.node");
  expect(() => loadAddon("sys.node")).toThrow(
    `load sys.node: not found at ${join(directory, "none.node")}; run "npm run build" or set GUESTD_SYS_NODE`,
  );
});

test("an addon that can't be loaded is reported in one line with its path", () => {
  choose("bad.cjs");
  writeFileSync(join(directory, "bad.cjs"), 'throw new Error("first line\\nsecond line");');
  const path = join(directory, "bad.cjs");
  expect(() => loadAddon("sys.node")).toThrow(
    expect.objectContaining({ kind: "internal", message: `load ${path}: first line` }),
  );
});
