import { lstatSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { directory, file, hardLink, symlink } from "../../../image/testing/layers.ts";
import { treeOf } from "../../../image/testing/tree.ts";
import { type LayerEntry, packTar } from "../../../image/write-layout.ts";
import { tarEntries } from "../../../lib/archive/tar-entries.ts";
import { isPlainPath } from "../../../lib/plain-path.ts";
import { playAgent } from "../../../test/scenarios/archive-peers.ts";
import { requestedPath } from "./copy-options.ts";
import { copyOut, copyOutAsTar } from "./copy-out.ts";

const above = mkdtempSync(join(tmpdir(), "guestd-copy-out-"));
let here: string;
let agent: Awaited<ReturnType<typeof playAgent>>;
let archive: Buffer = Buffer.alloc(0);
let called = { name: "app.log", directory: false };
beforeAll(async () => {
  const ready = () => ({ ...called, name: Buffer.from(called.name) });
  agent = await playAgent(join(above, "agent"), () => archive, ready);
});
afterAll(() => {
  agent?.[Symbol.dispose]();
  rmSync(above, { recursive: true, force: true });
});
beforeEach(() => {
  here = mkdtempSync(join(above, "here-"));
});

/** Plays an agent that calls the source `name`, and sends these members. */
async function send(name: string, isDirectory: boolean, entries: readonly LayerEntry[]): Promise<void> {
  called = { name, directory: isDirectory };
  archive = await packTar(entries);
}

const copy = (path: string, to = here, options = {}) => copyOut(agent.address, { container: "web", path }, to, options);

describe("the host names what it writes", () => {
  test.each([
    ["/var/log/app.log", "app.log"],
    ["/var/log/../app.log/", "app.log"],
    ["/../..", "web"],
    ["../..", "web"],
    ["/", "web"],
  ])("a directory %s is written as %s, whatever the agent calls it", async (path, name) => {
    await send(".ssh", true, [file(".ssh/authorized_keys", "evil"), directory(".ssh")]);
    await copy(path);
    expect(treeOf(here)).toEqual({ [`${name}/`]: "", [`${name}/authorized_keys`]: "evil" });
  });

  test("a file has the name of the requested path", async () => {
    await send(".bashrc", false, [file(".bashrc", "evil")]);
    await copy("/var/log/app.log");
    expect(treeOf(here)).toEqual({ "app.log": "evil" });
  });

  test.each<[string, LayerEntry[]]>([
    ["a tree", [file("app.log/x", "evil"), directory("app.log")]],
    ["a second member", [file("app.log", "log"), file("app.log/x", "evil")]],
    ["a directory", [directory("app.log")]],
  ])("refuses %s in place of a file", async (_, entries) => {
    await send("app.log", false, entries);
    await expect(copy("/var/log/app.log")).rejects.toThrow(/app.log.*: the sender announced a file/);
    expect(Object.keys(treeOf(here)).filter((path) => path !== "app.log")).toEqual([]);
  });

  test.each([
    ["a file", file("dir", "evil")],
    ["a link", symlink("dir", "/etc")],
  ])("refuses %s in place of a directory", async (_, entry) => {
    await send("dir", true, [entry]);
    await expect(copy("/dir")).rejects.toThrow(/dir.*: the sender announced a directory/);
    expect(treeOf(here)).toEqual({});
  });

  test.each(["/dir/", "/dir/.", "/"])("refuses a file where %s is a directory", async (path) => {
    await send("dir", false, [file("dir", "evil")]);
    await expect(copy(path)).rejects.toThrow(`${path}: it is no directory`);
    expect(treeOf(here)).toEqual({});
  });

  test("refuses a directory where the destination is a file", async () => {
    writeFileSync(join(here, "mine"), "mine");
    await send("app.log", true, [directory("app.log")]);
    await expect(copy("/app.log", join(here, "mine"))).rejects.toThrow(/a directory can't be copied to a file/);
    expect(treeOf(here)).toEqual({ mine: "mine" });
  });

  test("an archive has members below the requested name only", async () => {
    const names: string[] = [];
    const read = async () => {
      const bytes: Buffer[] = [];
      const take = async (part: Uint8Array) => void bytes.push(Buffer.from(part));
      await copyOutAsTar(agent.address, { container: "web", path: "/var/log" }, take);
      for await (const { header } of tarEntries(
        (async function* () {
          yield* bytes;
        })(),
      ))
        names.push(`${header.name} ${header.linkname ?? ""}`);
    };
    await send(".ssh", true, [file(".ssh/a", "1"), hardLink(".ssh/b", ".ssh/a"), directory(".ssh")]);
    await read();
    expect(names).toEqual(["log/a ", "log/b log/a", "log "]);
    await send("log", true, [file("log/a", "1"), file("log/../../.bashrc", "evil")]);
    await expect(read()).rejects.toThrow(/its name contains "\.\."/);
    await send("log", true, [file(".bashrc", "evil")]);
    await expect(read()).rejects.toThrow(/its name does not begin with "log"/);
    await send("log", false, [file("log/a", "1")]);
    await expect(read()).rejects.toThrow(/the sender announced a file/);
    expect(names).toHaveLength(3);
  });
});

describe("modes of copied files", () => {
  test("are less the umask, and without set-id bits, unless they are kept", async () => {
    const before = process.umask(0o077);
    try {
      await send("app", true, [file("app/tool", "x", 0o6777), directory("app", 0o2777)]);
      const modes = (name: string) =>
        ["", "tool"].map((path) => (lstatSync(join(here, name, path)).mode & 0o7777).toString(8));
      await copy("/app", join(here, "plain"));
      expect(modes("plain")).toEqual(["700", "700"]);
      await copy("/app", join(here, "archive"), { keepOwners: true });
      expect(modes("archive")).toEqual(["777", "777"]);
      await copy("/app", join(here, "privileged"), { keepPrivileges: true });
      expect(modes("privileged")).toEqual(["2700", "6700"]);
    } finally {
      process.umask(before);
    }
  });
});

test.each([
  ["/a/b", "/a/b"],
  ["/a/b/", "/a/b/"],
  ["/a/b/.", "/a/b/"],
  ["/a/../b", "/b"],
  ["/a/..", "/"],
  ["//a//b", "/a/b"],
  ["/./a", "/a"],
  ["/", "/"],
  ["/.", "/"],
  ["a/../b", "a/../b"],
])("asks for %s as %s, which rules of a policy see", (typed, asked) => {
  expect(requestedPath(typed)).toBe(asked);
  if (typed.startsWith("/")) expect(isPlainPath(asked)).toBe(true);
});
