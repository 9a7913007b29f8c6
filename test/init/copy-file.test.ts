import { execFileSync } from "node:child_process";
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { S_IFDIR, S_IFLNK, S_IFREG } from "../../agent/kernel/constants.ts";
import { type CopiedFile, copyFile } from "../../agent/storage/copy-file.ts";
import { encodeTrailer } from "../../agent/storage/received-ranges.ts";
import { describeFileServers } from "./testing/file-servers.ts";

describeFileServers("CopyFile", (on) => {
  const [uid, gid] = [0, 0];
  let base = "";
  let root = "";

  beforeEach(() => {
    base = on.directory;
    root = join(base, "a/shared");
  });

  /** Copies one chunk that is a complete file, unless `parts` say otherwise. */
  async function copy(name: string, text: string | Uint8Array = "", parts: Partial<CopiedFile> = {}): Promise<void> {
    const data = Buffer.from(text);
    const file = { path: `${root}/${name}`, mode: S_IFREG | 0o644, dirMode: 0o750, uid, gid, offset: 0, data };
    await copyFile(on.servers, { ...file, fileSize: data.length, ...parts }, root);
  }

  const text = (name: string) => readFileSync(join(root, name), "utf8");
  const modeOf = (name: string) => lstatSync(join(root, name)).mode & 0o7777;
  /** Lists all entries below the root and next to it. */
  const everything = () => execFileSync("find", [base, "-printf", "%P %y %m %s %l\n"], { encoding: "utf8" });

  test("a file gets its mode and replaces an existing one, and missing directories get theirs", async () => {
    await copy("x/y/file", "first");
    await copy("x/y/file", "second", { mode: S_IFREG | 0o4711, dirMode: 0o700 });
    expect(text("x/y/file")).toBe("second");
    expect([modeOf("x"), modeOf("x/y"), modeOf("x/y/file")]).toEqual([0o750, 0o750, 0o4711]);
    expect(readdirSync(join(root, "x/y"))).toEqual(["file"]);
  });

  test("a mode without a type means a file, and an empty file is a file", async () => {
    await copy("file", "", { mode: 0o600 });
    expect([text("file"), modeOf("file")]).toEqual(["", 0o600]);
  });

  test("directories and links to anywhere are created, and existing ones changed", async () => {
    await copy("dir", "", { mode: S_IFDIR | 0o700 });
    await copy("dir/file", "x");
    await copy("dir", "", { mode: S_IFDIR | 0o2755, fileSize: 4096 });
    await copy("dir/..data", "..2024", { mode: S_IFLNK | 0o777 });
    await copy("dir/..data", "/etc/passwd", { mode: S_IFLNK | 0o777 });
    expect([modeOf("dir"), readlinkSync(join(root, "dir/..data"))]).toEqual([0o2755, "/etc/passwd"]);
    await copy("dir/..data", "no link any more");
    expect(text("dir/..data")).toBe("no link any more");
    expect(readdirSync(join(root, "dir")).toSorted()).toEqual(["..data", "file"]);
  });

  test("a link that stays below the root is followed", async () => {
    await copy("real/there", "x");
    await copy("other/link", "../real", { mode: S_IFLNK });
    await copy("other/link/file", "through it");
    expect(text("real/file")).toBe("through it");
  });

  test("files with long names, or that differ only in their extension, don't interfere", async () => {
    const names = ["a.conf", "a.yaml", "a", "n".repeat(255)];
    for (const name of names) await copy(name, `${name}1`.slice(0, 1), { fileSize: 2 });
    expect(names.some((name) => existsSync(join(root, name)))).toBe(false);
    for (const name of names) await copy(name, "!", { fileSize: 2, offset: 1 });
    expect(names.map(text)).toEqual(["a!", "a!", "a!", "n!"]);
  });

  describe("a file in chunks", () => {
    const piece = (offset: number, data: string, parts: Partial<CopiedFile> = {}) =>
      copy("file", data, { fileSize: 9, offset, ...parts });

    test.each([
      ["in order", [0, 3, 6]],
      ["backwards", [6, 3, 0]],
      ["in any order", [3, 0, 6]],
      ["some twice", [6, 3, 6, 3, 0]],
    ])("appears complete with its last chunk: %s", async (_, offsets) => {
      await copy("file", "old");
      for (const [index, offset] of offsets.entries()) {
        expect(text("file"), `before piece ${index}`).toBe("old");
        await piece(offset, "abcdefghi".slice(offset, offset + 3));
      }
      expect(text("file")).toBe("abcdefghi");
      expect(readdirSync(root)).toEqual(["file"]);
    });

    test("restarts when its first chunk is repeated or its length changes", async () => {
      await piece(0, "old");
      await piece(3, "old");
      await piece(0, "new");
      await piece(6, "new");
      expect(existsSync(join(root, "file"))).toBe(false);
      await piece(3, "NEW");
      expect(text("file")).toBe("newNEWnew");
      await piece(0, "xxxx");
      await piece(4, "1234", { fileSize: 8 });
      await piece(0, "abcd", { fileSize: 8 });
      expect(text("file")).toBe("abcd1234");
    });

    test("is refused if it can't fit or its chunks are too scattered, and leaves nothing behind", async () => {
      await expect(copy("huge", "x", { fileSize: 2 ** 52 })).rejects.toThrow(
        /huge": it has 4503599627370496 bytes, only \d+ are free$/,
      );
      const scattered = async () => {
        for (let offset = 1; offset < 1000; offset += 2) await copy("s", "x", { fileSize: 1000, offset });
      };
      await expect(scattered()).rejects.toThrow("its chunks are too scattered");
      expect(readdirSync(root)).toEqual([]);
    });

    test("replaces whatever others have put under its temporary name", async () => {
      await piece(0, "abc");
      const [temporary = ""] = readdirSync(root);
      rmSync(join(root, temporary));
      symlinkSync("/dev/null", join(root, temporary));
      await piece(0, "abc");
      rmSync(join(root, temporary));
      await copy("other", "kept");
      linkSync(join(root, "other"), join(root, temporary));
      await piece(0, "abc");
      expect(text("other")).toBe("kept");
      rmSync(join(root, temporary));
      execFileSync("mkfifo", [join(root, temporary)]);
      await piece(0, "abcdefghi");
      expect(text("file")).toBe("abcdefghi");
    });

    test("is refused if a directory has its temporary name, as is a link, and the directory stays untouched", async () => {
      await piece(0, "abc");
      const [temporary = ""] = readdirSync(root);
      rmSync(join(root, temporary));
      mkdirSync(join(root, temporary));
      await copy(`${temporary}/planted`);
      const earlier = everything();
      const line = `: a directory is in the way, remove ${temporary}`;
      await expect(piece(0, "abcdefghi")).rejects.toThrow(line);
      await expect(copy("file", "target", { mode: S_IFLNK })).rejects.toThrow(line);
      expect(everything()).toBe(earlier);
    });
  });

  describe("a harmful request is refused in one line and changes nothing", () => {
    const outside = () => join(base, "outside");
    beforeEach(() => {
      mkdirSync(join(root, "dir"), { recursive: true });
      mkdirSync(outside());
      writeFileSync(join(root, "file"), "file");
      symlinkSync(outside(), join(root, "absolute"));
      symlinkSync("../../outside", join(root, "relative"));
      symlinkSync("dir/../../shared/dir", join(root, "out-and-back"));
      symlinkSync("/proc/self/root", join(root, "magic"));
      symlinkSync("nowhere", join(root, "dangling"));
      symlinkSync("loop", join(root, "loop"));
    });

    test.each<[string, Partial<CopiedFile>, RegExp]>([
      ["..", { path: "ROOT/dir/../../outside/x" }, /contains "\.\."$/],
      ["a path elsewhere", { path: "/etc/x" }, /"\/etc\/x" is not below /],
      ["a path next to the root", { path: "ROOTx/y" }, /is not below /],
      ["the root itself", { path: "ROOT/." }, /is not below /],
      ["a relative path", { path: "x" }, /is not below /],
      ["a NUL byte", { path: "ROOT/x\0y" }, /contains a NUL byte$/],
      ["a long path", { path: `ROOT/${"x/".repeat(2048)}x` }, /is longer than 4095 bytes$/],
      ["a long name", { path: `ROOT/new/${"x".repeat(256)}` }, /: ENAMETOOLONG \(/],
      ["a link out, absolute", { path: "ROOT/absolute/x" }, /: a link on the way to "absolute" leads outside$/],
      [
        "a link out, relative",
        { path: "ROOT/relative/new/x" },
        /: a link on the way to "relative\/new" leads outside$/,
      ],
      ["a link out and back", { path: "ROOT/out-and-back/x" }, /: a link on the way to "out-and-back" leads outside$/],
      ["a magic link", { path: "ROOT/magic/x" }, /leads outside$/],
      ["a link to nowhere", { path: "ROOT/dangling/x" }, /: EEXIST \(/],
      ["a loop", { path: "ROOT/loop/x" }, /: ELOOP \(/],
      ["a file on the way", { path: "ROOT/file/x" }, /: ENOTDIR \(/],
      ["a directory in place of a file", { path: "ROOT/dir" }, /: a directory is in its place$/],
      ["a directory in place of a link", { path: "ROOT/dir", mode: S_IFLNK }, /: a directory is in its place$/],
      ["a file in place of a directory", { path: "ROOT/file", mode: S_IFDIR }, /is not a directory is in its place$/],
      [
        "a link in place of a directory",
        { path: "ROOT/relative", mode: S_IFDIR },
        /is not a directory is in its place$/,
      ],
      ["a negative size", { fileSize: -1 }, /: file_size -1 is out of range$/],
      ["a negative offset", { offset: -1 }, /: offset -1 is out of range$/],
      ["an offset beyond numbers", { offset: 2 ** 63 }, /: offset 9223372036854776000 is out of range$/],
      ["data beyond the end", { fileSize: 3, offset: 1 }, /: 4 bytes at offset 1 exceed the file_size of 3$/],
      ["a link with an empty target", { mode: S_IFLNK, data: Buffer.alloc(0) }, /: the link target is empty/],
      ["a link with a NUL byte", { mode: S_IFLNK, data: Buffer.from("a\0b") }, /or contains a NUL byte$/],
      ["a link with a long target", { mode: S_IFLNK, data: Buffer.alloc(4096, "x") }, /is longer than 4095 bytes$/],
    ])("%s", async (_, { path = "ROOT/new/x", ...parts }, line) => {
      const earlier = everything();
      const attempt = () => copy("", "data", { ...parts, path: path.replace("ROOT", root) });
      await expect(attempt()).rejects.toThrow(line);
      await expect(attempt()).rejects.toThrow(/^copy file[: ][^\n]{1,450}$/);
      expect(everything()).toBe(earlier);
    });
  });

  test("the owner applies to the file and to the last missing directory", async () => {
    const owners = (name: string) => [lstatSync(join(root, name)).uid, lstatSync(join(root, name)).gid];
    const ids = { uid: 1000, gid: 4_294_967_294 };
    await copy("a/b/file", "x", { ...ids, mode: S_IFREG | 0o4755 });
    await copy("a/b/link", "x", { ...ids, mode: S_IFLNK });
    await copy("a/b/dir", "", { ...ids, mode: S_IFDIR | 0o755 });
    await copy("a/b/other", "x", { uid: 7, gid: 0xffff_ffff });
    expect(["a", "a/b", "a/b/file", "a/b/link", "a/b/dir", "a/b/other"].map(owners)).toEqual([
      [0, 0],
      ...Array.from({ length: 4 }, () => [1000, 4_294_967_294]),
      [7, 0],
    ]);
    expect(modeOf("a/b/file")).toBe(0o4755);
  });

  describe("a chunk repeated after the agent was killed", () => {
    const pieces = ["0123", "4567", "89"].map((text, index) => ({ text, parts: { fileSize: 10, offset: 4 * index } }));
    const put = (index: number, again = false) => copy("file", pieces[index]?.text, { ...pieces[index]?.parts, again });

    test.each([0, 1, 2])("has no further effect (%i)", async (which) => {
      for (const index of pieces.keys()) {
        await put(index);
        if (index === which) await put(index, true);
      }
      expect(readFileSync(join(root, "file"), "utf8")).toBe("0123456789");
      expect(readdirSync(root)).toEqual(["file"]);
    });

    test("completes the file if the agent was killed between truncating and renaming it", async () => {
      await put(0);
      await put(1);
      const [temporary = ""] = readdirSync(root);
      writeFileSync(join(root, temporary), "0123456789");
      await put(2, true);
      expect(text("file")).toBe("0123456789");
      expect(readdirSync(root)).toEqual(["file"]);
    });

    test("waits for the others if it is the last part, came first and was not recorded", async () => {
      await put(2);
      const [temporary = ""] = readdirSync(root);
      writeFileSync(join(root, temporary), Buffer.concat([Buffer.from("\0\0\0\0\0\0\0\x0089"), encodeTrailer(10, [])]));
      await put(2, true);
      expect(readdirSync(root)).toEqual([temporary]);
      for (const index of [0, 1]) await put(index);
      expect(text("file")).toBe("0123456789");
    });
  });
});
