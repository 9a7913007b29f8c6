import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { leavesNoDescriptors } from "../testing/leaves-no-descriptors.ts";
import type { NativeAddon } from "./native-addon.ts";
import { treeCalls } from "./tree-calls.ts";

leavesNoDescriptors();
const directory = mkdtempSync(join(tmpdir(), "tree-calls-"));
afterAll(() => rmSync(directory, { recursive: true }));
const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
const calls = treeCalls();

/** Calls whose results the test gives; `fill` is written to the buffer that they get last. */
function answering(result: number, fill = "") {
  const got: unknown[][] = [];
  const call = (...args: unknown[]) => {
    got.push(args);
    const into = args.at(-1);
    if (into instanceof Uint8Array && fill !== "") into.set(Buffer.from(fill));
    return result;
  };
  return { ...treeCalls(new Proxy({} as NativeAddon, { get: () => call })), got };
}
const ENOENT = 2;
const ENXIO = 6;
const ERANGE = 34;
const ENODATA = 61;
const EOPNOTSUPP = 95;

test("an entry is opened by the bytes of its name, and an error names it", () => {
  const dir = openSync(directory, O_RDONLY | O_DIRECTORY);
  closeSync(openSync(join(directory, "a b"), "w"));
  const fd = calls.openName(dir, Buffer.from("a b"), O_RDONLY | O_NOFOLLOW, 0);
  expect(fstatSync(fd).ino).toBe(lstatSync(join(directory, "a b")).ino);
  expect(() => calls.openName(dir, Buffer.from("no\n"), O_RDONLY, 0)).toThrow('open "no\\n": ENOENT');
  for (const each of [fd, dir]) closeSync(each);
});

test("a file's times are set to the nanosecond, also before 1970", () => {
  const path = join(directory, "times");
  const fd = openSync(path, "w");
  for (const [access, change] of [
    [1_000_000_001n, 2_999_999_999n],
    [-1n, -1_500_000_000n],
    [0n, 7n],
  ] as const) {
    calls.setTimes(fd, access, change);
    const { atimeNs, mtimeNs } = lstatSync(path, { bigint: true });
    expect([atimeNs, mtimeNs]).toEqual([access, change]);
  }
  closeSync(fd);
  expect(() => answering(-ENOENT).setTimes(7, 0n, 0n)).toThrow("utimensat");
});

test("data and holes of a file are found, and that there are none", () => {
  const fd = openSync(join(directory, "sparse"), "w+");
  ftruncateSync(fd, 1 << 20);
  writeSync(fd, "x", 65_536);
  const data = calls.seek(fd, 0, "data");
  expect([calls.seek(fd, 65_536, "data"), calls.seek(fd, 1 << 20, "data")]).toEqual([65_536, undefined]);
  expect(data).toBeLessThanOrEqual(65_536);
  expect(calls.seek(fd, 65_536, "hole")).toBeGreaterThan(65_536);
  closeSync(fd);
  const { seek, got } = answering(3);
  expect([seek(7, 1, "hole"), seek(7, 1, "data")]).toEqual([3, 3]);
  expect(got).toEqual([
    [7, 1, 1],
    [7, 1, 0],
  ]);
  expect(answering(-ENXIO).seek(7, 0, "data")).toBeUndefined();
  expect(() => answering(-ENOENT).seek(7, 0, "data")).toThrow("lseek");
});

test("attributes are listed by name; a file system without any has none", () => {
  expect(answering(14, "user.a\0user.b\0rest").listXattrs(7)).toEqual(["user.a", "user.b"]);
  expect(answering(0).listXattrs(7)).toEqual([]);
  expect(answering(-EOPNOTSUPP).listXattrs(7)).toEqual([]);
  expect(() => answering(-ENOENT).listXattrs(7)).toThrow("listxattr");
});

test("an attribute's value is a copy, and undefined once it has disappeared or grown too long", () => {
  const { getXattr, got } = answering(3, "abcdef");
  const value = getXattr(7, "user.a");
  expect([value?.toString(), got[0]?.slice(0, 2)]).toEqual(["abc", [7, "user.a"]]);
  const scratch = got[0]?.[2];
  if (scratch instanceof Uint8Array) scratch.fill(0);
  expect(value?.toString()).toBe("abc");
  for (const errno of [ENODATA, EOPNOTSUPP, ERANGE]) expect(answering(-errno).getXattr(7, "user.a")).toBeUndefined();
  expect(() => answering(-ENOENT).getXattr(7, "user.a")).toThrow("user.a of fd 7");
});

test("an attribute that can't be set is an error that names it", () => {
  const { setXattr, got } = answering(0);
  setXattr(7, "user.a", Buffer.from("v"));
  expect(got).toEqual([[7, "user.a", Buffer.from("v")]]);
  expect(() => answering(-EOPNOTSUPP).setXattr(7, "user.a", Buffer.of())).toThrow("user.a");
});
