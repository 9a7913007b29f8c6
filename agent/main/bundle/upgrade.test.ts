import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { cpioArchive } from "../../../rootfs-builder/initramfs/cpio.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { containedDouble } from "../../kernel/testing/contained-double.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import type { CopiedFile } from "../../storage/copy-file.ts";
import { BundleStore } from "./bundle-store.ts";
import { receiveFile } from "./receive-file.ts";
import { prepareUpgrade } from "./upgrade.ts";

const contained = containedDouble(openSys());
let work = "";
let root = "";
let store: BundleStore;
leavesNoDescriptors();
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), "guestd-upgrade-"));
  root = join(work, "shared");
  mkdirSync(root);
  store = new BundleStore(join(work, "state"));
});
afterEach(() => {
  rmSync(work, { recursive: true });
});

const NAMES = ["agent.cjs", "grpc.cjs", "sys.node", "seccomp.node"];
/** Puts a bundle below the root and gives its hash. */
function put(name: string, files: readonly string[] = NAMES, content = "x"): string {
  const entries = files.map((path) => ({ path, type: "file", mode: 0o644, content: Buffer.from(content) }) as const);
  const archive = cpioArchive(entries);
  writeFileSync(join(root, name), archive);
  return createHash("sha256").update(archive).digest("hex");
}
const upgrade = (name: string, sha256: string, running: string | undefined = "") =>
  prepareUpgrade({ path: name === "" ? "" : `${root}/${name}`, sha256 }, { contained, store, running, root });
const state = () => readdirSync(join(work, "state/agent")).toSorted();
const choice = () => JSON.parse(readFileSync(join(work, "state/agent/choice.json"), "utf8"));

test("a bundle is stored and chosen; its file, and bundles that don't run, are removed", async () => {
  const stored: string[] = [];
  for (const content of ["1", "2", "3"]) {
    const sha256 = put("bundle", [...NAMES, "agent.cache"], content);
    await upgrade("bundle", sha256, content === "3" ? put("unused", NAMES, "2") : "");
    stored.push(sha256);
  }
  const [first, second, third] = stored;
  expect(state()).toEqual([third, "choice.json"]);
  expect([first, second].every((one) => one !== third)).toBe(true);
  expect(readdirSync(join(work, "state/agent", third ?? "")).toSorted()).toEqual(["agent.cache", ...NAMES].toSorted());
  expect(choice()).toEqual({ bundle: third, starts: 0 });
  expect(existsSync(join(root, "bundle"))).toBe(false);
});

test("the running bundle stays, and a stored one is chosen without its file", async () => {
  const first = put("bundle", NAMES, "1");
  await upgrade("bundle", first);
  const second = put("bundle", NAMES, "2");
  await upgrade("bundle", second, first);
  expect(state()).toEqual([first, second, "choice.json"].toSorted());
  await upgrade("bundle", first, second);
  expect(choice()).toEqual({ bundle: first, starts: 0 });
});

test("the upload path takes a bundle in any pieces, is free again afterwards, and takes nothing else", async () => {
  const sha256 = put("bundle");
  const archive = readFileSync(join(root, "bundle"));
  const path = store.upload;
  const file = {
    path,
    mode: 0o100777,
    dirMode: 0o777,
    uid: 7,
    gid: 7,
    fileSize: archive.length,
    offset: 0,
    data: archive,
  };
  const copy = (parts: Partial<CopiedFile>) => receiveFile(contained, { ...file, ...parts }, path);
  const rule = "only a bundle of the agent goes there, a regular file of up to 33554432 bytes";
  for (const parts of [{ mode: 0o040755 }, { mode: 0o120777 }, { fileSize: 2 ** 25 + 1 }]) {
    await expect(copy(parts)).rejects.toThrow(`copy file "${path}": ${rule}`);
  }
  for (const other of [`${path}/x`, `${path}2`, join(path, "../x"), `${path}/`, join(work, "state/journal")]) {
    await expect(copy({ path: other }), other).rejects.toThrow(/ is not below /);
  }
  expect(existsSync(join(work, "state"))).toBe(false);
  await copy({ offset: 100, data: archive.subarray(100) });
  await copy({ data: archive.subarray(0, 100) });
  const { mode, uid } = statSync(path);
  expect([mode & 0o777, uid]).toEqual([0o600, process.getuid?.()]);
  await prepareUpgrade({ path, sha256 }, { contained, store, running: "", root });
  expect(choice()).toEqual({ bundle: sha256, starts: 0 });
  expect(readdirSync(join(work, "state"))).toEqual(["agent"]);
});

test("an empty path chooses the image's own bundle", async () => {
  await upgrade("bundle", put("bundle"));
  await upgrade("", "");
  expect(choice()).toEqual({});
});

test("an abandoned bundle is reported, to the log only once", async () => {
  expect([store.left(), store.reportLeft()]).toEqual([undefined, undefined]);
  store.choose("");
  writeFileSync(join(work, "state/agent/choice.json"), JSON.stringify({ left: "ab", reason: "why" }));
  const left = { bundle: "ab", reason: "why" };
  expect([store.left(), store.reportLeft(), store.reportLeft(), store.left()]).toEqual([left, left, undefined, left]);
});

test("a file that is no bundle or in another place is refused in one line and changes nothing", async () => {
  const sha256 = put("bundle");
  mkdirSync(join(root, "dir"));
  symlinkSync("bundle", join(root, "link"));
  symlinkSync(work, join(root, "out"));
  execFileSync("mkfifo", [join(root, "fifo")]);
  writeFileSync(join(root, "big"), "");
  truncateSync(join(root, "big"), 2 ** 25 + 1);
  const few = put("few", NAMES.slice(1));
  const text = createHash("sha256").update("text").digest("hex");
  writeFileSync(join(root, "text"), "text");
  const refused: [name: string, sha256: string, line: RegExp, running?: string | undefined][] = [
    ["bundle", sha256.toUpperCase(), /^upgrade: sha256 is not 64 hexadecimal digits$/],
    ["bundle", few, new RegExp(`^upgrade: its SHA-256 is ${sha256}$`)],
    ["few", few, /^upgrade: it is no bundle: agent\.cjs is not in it$/],
    ["text", text, /^upgrade: it is no bundle: no entry of a cpio archive at byte 0$/],
    ["dir", sha256, /^upgrade: it is no regular file$/],
    ["fifo", sha256, /^upgrade: it is no regular file$/],
    ["big", sha256, /^upgrade: it has 33554433 bytes, more than 33554432$/],
    ["link", sha256, /^upgrade ".*\/link": ELOOP/],
    ["out/bundle", sha256, /^upgrade: a link on the way to "\.\/out" leads outside$/],
    ["none", sha256, /^upgrade ".*\/none": ENOENT/],
    ["../bundle", sha256, /^upgrade: path ".*" contains "\.\."$/],
    ["", sha256, /^upgrade: sha256 is given, and no path$/],
  ];
  for (const [name, hash, line] of refused) await expect(upgrade(name, hash), name).rejects.toThrow(line);
  const unlaunched = prepareUpgrade({ path: `${root}/bundle`, sha256 }, { contained, store, running: undefined, root });
  await expect(unlaunched).rejects.toThrow(
    "upgrade: this agent was not started by the launcher, which chooses the bundle",
  );
  expect(existsSync(join(work, "state"))).toBe(false);
  expect(existsSync(join(root, "bundle"))).toBe(true);
});
