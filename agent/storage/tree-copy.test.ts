import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { guestRoot } from "../kernel/files/contained-files.ts";
import { openSys } from "../kernel/sys/sys.ts";
import { containedDouble } from "../kernel/testing/contained-double.ts";
import { leavesNoDescriptors } from "../kernel/testing/leaves-no-descriptors.ts";
import { TreeCopy } from "./tree-copy.ts";

const contained = containedDouble(openSys());
const LIMITS = { files: 16, bytes: 1 << 20 };
let base = "";
let copy: TreeCopy;
const source = (name = "") => join(base, "source", name);
const target = (name = "") => join(base, "target", name);

leavesNoDescriptors();
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "guestd-tree-"));
  mkdirSync(source());
  mkdirSync(target());
  copy = new TreeCopy(contained, guestRoot(""), source(), target());
});
afterEach(() => {
  rmSync(base, { recursive: true });
});

const refresh = () => copy.refresh(LIMITS);
/** Writes a version of settings as a kubelet does: the files, then the switch, then removes the old files. */
function publish(version: string, settings: Readonly<Record<string, string>>): void {
  const old = existsSync(source("..data")) ? readlinkSync(source("..data")) : undefined;
  mkdirSync(source(version));
  for (const [name, text] of Object.entries(settings)) writeFileSync(source(`${version}/${name}`), text);
  symlinkSync(version, source("..tmp"));
  renameSync(source("..tmp"), source("..data"));
  for (const name of Object.keys(settings)) {
    if (!existsSync(source(name))) symlinkSync(`..data/${name}`, source(name));
  }
  for (const name of readdirSync(source()).filter((one) => !one.startsWith(".."))) {
    if (!(name in settings)) rmSync(source(name));
  }
  if (old !== undefined) rmSync(source(old), { recursive: true });
}

test("a copy follows changed settings and drops removed ones", async () => {
  publish("..1", { colour: "red", size: "1" });
  expect(await refresh()).toBe(true);
  expect([readFileSync(target("colour"), "utf8"), readlinkSync(target("colour"))]).toEqual(["red", "..data/colour"]);
  publish("..2", { colour: "blue", weight: "7" });
  await refresh();
  expect(readFileSync(target("colour"), "utf8")).toBe("blue");
  expect(readdirSync(target()).sort()).toEqual(["..2", "..data", "colour", "weight"]);
});

test("a file is replaced atomically with its mode, and an unchanged one is left alone", async () => {
  writeFileSync(source("a"), "one");
  writeFileSync(source("b"), "same");
  mkdirSync(source("dir/empty"), { recursive: true });
  await refresh();
  const [a, b] = [lstatSync(target("a")).ino, lstatSync(target("b")).ino];
  writeFileSync(source("a"), "two");
  chmodSync(source("a"), 0o640);
  await refresh();
  expect(readFileSync(target("a"), "utf8")).toBe("two");
  expect(lstatSync(target("a")).mode & 0o777).toBe(0o640);
  expect(lstatSync(target("a")).ino).not.toBe(a);
  expect(lstatSync(target("b")).ino).toBe(b);
  expect(existsSync(target("dir/empty"))).toBe(true);
});

test("the next agent continues with an existing copy and writes only what differs", async () => {
  publish("..1", { colour: "red", size: "1" });
  await refresh();
  const same = lstatSync(target("..1/size")).ino;
  writeFileSync(source("..1/colour"), "blue");
  writeFileSync(target("left"), "by the agent before");
  copy = new TreeCopy(contained, guestRoot(""), source(), target());
  await refresh();
  expect(readFileSync(target("colour"), "utf8")).toBe("blue");
  expect(lstatSync(target("..1/size")).ino).toBe(same);
  expect(existsSync(target("left"))).toBe(false);
});

test("an entry that changes its kind is replaced", async () => {
  writeFileSync(source("x"), "file");
  mkdirSync(source("y"));
  writeFileSync(source("y/below"), "");
  await refresh();
  rmSync(source("x"));
  mkdirSync(source("x"));
  rmSync(source("y"), { recursive: true });
  symlinkSync("x", source("y"));
  await refresh().catch(() => undefined);
  await refresh();
  expect([lstatSync(target("x")).isDirectory(), lstatSync(target("y")).isSymbolicLink()]).toEqual([true, true]);
});

test.each([
  ["more files", () => Array.from({ length: 17 }, (_, index) => writeFileSync(source(`f${index}`), ""))],
  ["more bytes", () => writeFileSync(source("f"), Buffer.alloc(LIMITS.bytes + 1))],
])("%s than the limits allow are not copied", async (_, make) => {
  make();
  expect(await refresh()).toBe(false);
  expect(readdirSync(target())).toEqual([]);
});

describe("a copy that a container has changed", () => {
  const outside = (name = "") => join(base, "outside", name);
  beforeEach(async () => {
    mkdirSync(outside());
    writeFileSync(outside("victim"), "of the guest");
    mkdirSync(source("dir"));
    writeFileSync(source("dir/victim"), "one");
    await refresh();
    rmSync(target("dir"), { recursive: true });
  });

  test("leads no write outside", async () => {
    symlinkSync(outside(), target("dir"));
    writeFileSync(source("dir/victim"), "two");
    await expect(refresh()).rejects.toThrow(/leads outside$/);
    expect(readFileSync(outside("victim"), "utf8")).toBe("of the guest");
  });

  test("leads no removal outside", async () => {
    symlinkSync(outside(), target("dir"));
    rmSync(source("dir/victim"));
    await refresh().catch(() => undefined);
    expect(readFileSync(outside("victim"), "utf8")).toBe("of the guest");
  });
});
