import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { temporaryDirectory } from "../image/testing/tree.ts";
import { isRoot } from "../lib/is-root.ts";
import { checkPrivateFolder, makePrivateFolder, makeTemporaryFolder } from "./private-folder.ts";

const NOBODY = 65_534;
let temporary: ReturnType<typeof temporaryDirectory>;
let parent: string;
let path: string;

beforeEach(() => {
  temporary = temporaryDirectory();
  parent = join(temporary.path, "parent");
  path = join(parent, "folder");
  mkdirSync(parent);
});
afterEach(() => temporary[Symbol.dispose]());

const both = [makePrivateFolder, checkPrivateFolder];

test("creates a folder for this user alone, and finds it again", () => {
  expect(checkPrivateFolder(path)).toBe(undefined);
  expect(existsSync(path)).toBe(false);
  for (const each of [makePrivateFolder, makePrivateFolder, checkPrivateFolder]) expect(each(path)).toBe(path);
  expect(statSync(path).mode & 0o7777).toBe(0o700);
});

test("creates missing parents for this user alone, but not where other users could replace them", () => {
  expect(makePrivateFolder(join(path, "b/c"))).toBe(join(path, "b/c"));
  expect(statSync(join(path, "b")).mode & 0o7777).toBe(0o700);
  chmodSync(parent, 0o777);
  expect(() => makePrivateFolder(join(parent, "x/y/z"))).toThrow(`${parent} can be written by other users`);
  expect(existsSync(join(parent, "x"))).toBe(false);
});

test("follows a link in the parents if root or this user created it", () => {
  symlinkSync("parent", join(temporary.path, "link"));
  expect(makePrivateFolder(join(temporary.path, "link/folder"))).toBe(path);
});

test.each([0o710, 0o701, 0o750, 0o722])("refuses a folder of mode %o", (mode) => {
  makePrivateFolder(path);
  chmodSync(path, mode);
  for (const each of both) expect(() => each(path)).toThrow(`${path}: other users can access it; chmod it to 700`);
});

test("refuses a link or a file in its place, and never touches a link's target", () => {
  const target = join(temporary.path, "target");
  mkdirSync(target, { mode: 0o700 });
  symlinkSync(target, path);
  for (const each of both) expect(() => each(path)).toThrow(`${path}: not a directory; remove it`);
  symlinkSync(join(temporary.path, "nothing"), join(parent, "dangling"));
  for (const each of both) expect(() => each(join(parent, "dangling"))).toThrow("not a directory; remove it");
  writeFileSync(join(parent, "file"), "");
  for (const each of both) expect(() => each(join(parent, "file"))).toThrow("not a directory; remove it");
});

test("refuses a parent that other users can write, unless it is sticky", () => {
  for (const mode of [0o777, 0o775, 0o757]) {
    chmodSync(parent, mode);
    for (const each of both) expect(() => each(path)).toThrow(`${parent} can be written by other users, who could`);
    expect(existsSync(path)).toBe(false);
    chmodSync(parent, mode | 0o1000);
    makePrivateFolder(path);
    expect(checkPrivateFolder(path)).toBe(path);
    chmodSync(parent, 0o700);
    temporary[Symbol.dispose]();
    mkdirSync(parent, { recursive: true });
  }
});

test("creates a temporary folder for this user alone, but not where other users could replace it", () => {
  expect(checkPrivateFolder(makeTemporaryFolder("new-", parent))).toMatch(/\/parent\/new-\w{6}$/);
  chmodSync(parent, 0o777);
  expect(() => makeTemporaryFolder("other-", parent)).toThrow("can be written by other users");
  expect(readdirSync(parent)).toHaveLength(1);
});

describe.skipIf(!isRoot())("beside other users (needs root)", () => {
  test("refuses another user's folder, whatever its mode", () => {
    mkdirSync(path, { mode: 0o700 });
    chownSync(path, NOBODY, NOBODY);
    for (const each of both)
      expect(() => each(path)).toThrow(`${path}: the folder belongs to uid ${NOBODY}; remove it`);
  });

  test("refuses a folder below another user's, and creates none there", () => {
    chownSync(parent, NOBODY, NOBODY);
    for (const each of both) {
      expect(() => each(path)).toThrow(`${parent} belongs to uid ${NOBODY}, who could replace files in it`);
    }
    expect(existsSync(path)).toBe(false);
    chmodSync(parent, 0o1777);
    for (const each of both) expect(() => each(path)).toThrow(`${parent} belongs to uid ${NOBODY}`);
  });
});
