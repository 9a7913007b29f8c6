import { execFileSync } from "node:child_process";
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { file, hardLink, symlink } from "../../image/testing/layers.ts";
import { type LayerEntry, packTar, writeLayout } from "../../image/write-layout.ts";
import { AptRepository } from "../debian/testing/apt-repository.ts";
import { readErofs } from "../inspect/read-erofs.ts";
import { outputFile } from "../outputs/output-names.ts";
import { KATA_INITRD } from "../steps/kata-steps.ts";
import { OCI_IMAGE } from "../steps/oci-image-step.ts";
import { buildRecipe } from "./recipe-tasks.ts";

const root = join(import.meta.dirname, "../..");
const TOOL = {
  name: "tool",
  depends: "libtool",
  files: {
    "usr/bin/tool": "#!tool",
    "usr/share/doc/tool/copyright": "x",
    "usr/share/man/man1/tool.1": "x",
    "usr/share/locale/de/tool.mo": "x",
  },
};
const LIBTOOL = { name: "libtool", files: { "lib/libtool.so": "elf", "etc/tool.conf": "conf" } };

/** Tests each kind of source with roots that contain nothing of guestd: fast, without a kernel or Node. */
describe("building a recipe", () => {
  let folder = "";
  let repository: AptRepository;
  beforeEach(() => {
    folder = mkdtempSync(join(root, "build/guestd-build-recipe-"));
    repository = new AptRepository(join(folder, "apt"));
    for (const [name, value] of Object.entries(repository.env)) vi.stubEnv(name, value);
    vi.stubEnv("GUESTD_CACHE", join(folder, "cache"));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  function put(path: string, content: string | Uint8Array, mode = 0o644): void {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content, { mode });
  }

  async function build(
    sources: readonly object[],
    how: { update?: boolean; to?: string; options?: object; outputs?: readonly string[] } = {},
  ): Promise<void> {
    const { to = "out", options = {}, outputs = ["kata-initrd"], ...rest } = how;
    put("mine.json", JSON.stringify({ name: "mine", agent: false, outputs, options, sources }));
    await buildRecipe(join(folder, "mine.json"), { root, to: join(folder, to), ...rest });
  }

  function initrd(to = "out"): Buffer {
    return readFileSync(join(folder, to, "kata", KATA_INITRD));
  }

  /** Returns modes, owners and paths in the root, without directories and without /init, which an initrd adds. */
  function list(): readonly string[] {
    const text = execFileSync("cpio", ["-itvn", "--quiet"], { input: initrd(), encoding: "utf8" });
    const lines = text
      .trim()
      .split("\n")
      .map((line) => line.replace(/^(\S+) .*? (?=\S+( -> \S+)?$)/, "$1 "));
    return lines.filter((line) => !line.startsWith("d") && !/ init -> /.test(line));
  }

  const lock = () => JSON.parse(readFileSync(join(folder, "mine.lock.json"), "utf8"));

  test("packs a container image whose layer has the root, hard links and the links of a merged /usr", async () => {
    repository.publish([TOOL, LIBTOOL]);
    put("hard/a", "1", 0o755);
    linkSync(join(folder, "hard/a"), join(folder, "hard/b"));
    const sources = [{ packages: ["tool"] }, { folder: "hard", to: "/srv", owner: "7:8" }];
    await build(sources, { outputs: ["oci-image"] });
    const rootfs = join(folder, "rootfs");
    mkdirSync(rootfs);
    const image = join(folder, "out", OCI_IMAGE);
    execFileSync("tar", ["-xf", image, "-C", rootfs]);
    const blobs = join(rootfs, "blobs/sha256");
    const texts = readdirSync(blobs).map((name) => readFileSync(join(blobs, name)));
    const layer = texts.find((content) => content[0] === 0x1f && content[1] === 0x8b);
    const list = execFileSync("tar", ["-tvzf", "-", "--numeric-owner"], { input: layer, encoding: "utf8" });
    expect(
      list
        .trim()
        .split("\n")
        .map((line) => line.replace(/ +\d+ 1970-01-01 \S+/, "")),
    ).toEqual([
      "lrwxrwxrwx 0/0 bin -> usr/bin",
      "lrwxrwxrwx 0/0 lib -> usr/lib",
      "drwxr-xr-x 0/0 etc",
      "-rw-r--r-- 0/0 etc/tool.conf",
      "drwxr-xr-x 0/0 srv",
      "-rwxr-xr-x 7/8 srv/a",
      "hrwxr-xr-x 7/8 srv/b link to srv/a",
      "drwxr-xr-x 0/0 usr",
      "drwxr-xr-x 0/0 usr/bin",
      "-rwxr-xr-x 0/0 usr/bin/tool",
      "drwxr-xr-x 0/0 usr/lib",
      "-rw-r--r-- 0/0 usr/lib/libtool.so",
      "drwxr-xr-x 0/0 usr/share",
    ]);
    const first = readFileSync(image);
    await build(sources, { outputs: ["oci-image"], to: "again" });
    expect(readFileSync(join(folder, "again", OCI_IMAGE)).equals(first)).toBe(true);
  });

  test("merges an OCI image, a tar, packages, a folder and a file, later ones on top", async () => {
    const platform = { os: "linux", architecture: process.arch === "x64" ? "amd64" : process.arch };
    const layers = [
      [file("etc/a", "1"), file("etc/b", "2"), file("gone")],
      [file(".wh.gone"), hardLink("etc/c", "etc/a")],
    ];
    const packed = layers.map((layer, at) => packTar(at === 0 ? layer : [file("etc/a", "0"), ...layer]));
    await writeLayout(join(folder, "base.tar"), { name: "b", platform, config: {}, layers: await Promise.all(packed) });
    put("files.tar.gz", gzipSync(await packTar([file("etc/.wh.b"), symlink("etc/d", "a")])));
    put("more.tar.zst", zstdCompressSync(await packTar([file("etc/e", "5", 0o4755)])));
    repository.publish([TOOL, LIBTOOL]);
    put("folder/x/y", "6", 0o750);
    put("note", "7");
    await build([
      { image: "base.tar" },
      { tar: "files.tar.gz" },
      { tar: "more.tar.zst", to: "/opt" },
      { packages: ["tool"] },
      { folder: "folder", to: "/srv" },
      { file: "note", to: "/etc/tool.conf", mode: "0600" },
    ]);
    expect(list()).toEqual([
      "-rw-r--r-- etc/a",
      "-rw-r--r-- etc/c",
      "lrwxrwxrwx etc/d -> a",
      "-rw------- etc/tool.conf",
      "-rwsr-xr-x opt/etc/e",
      "-rwxr-xr-x srv/x/y",
      "-rwxr-xr-x usr/bin/tool",
      "-rw-r--r-- usr/lib/libtool.so",
    ]);
    expect(lock()).toMatchObject({
      closures: { tool: ["libtool", "tool"] },
      packages: { tool: { version: "1.0" }, libtool: { version: "1.0" } },
      images: { "base.tar": expect.stringMatching(/^sha256:[0-9a-f]{64}$/) },
    });
  });

  test("gives equal bytes from another cache with only the lock file", async () => {
    repository.publish([TOOL, LIBTOOL]);
    put("note", "7");
    const sources = [{ packages: ["tool"] }, { file: "note", to: "/etc/note" }];
    await build(sources);
    vi.stubEnv("GUESTD_CACHE", join(folder, "another"));
    await build(sources, { to: "out2" });
    expect(readdirSync(join(folder, "another/packages")).length).toBe(2);
    expect(initrd("out2").equals(initrd())).toBe(true);
  });

  test("follows the lock file while the archive changes, and takes new versions with --update", async () => {
    repository.publish([TOOL, LIBTOOL]);
    await build([{ packages: ["tool"] }]);
    const before = initrd();
    const newer = { ...LIBTOOL, version: "2:1.1", files: { "lib/libtool.so": "new" } };
    repository.publish([TOOL, newer]);
    await build([{ packages: ["tool"] }], { to: "again" });
    expect(initrd("again").equals(before)).toBe(true);
    vi.stubEnv("GUESTD_CACHE", join(folder, "empty"));
    await expect(build([{ packages: ["tool"] }], { to: "other" })).rejects.toThrow(
      /^packages libtool=1\.0 tool=1\.0: not in the cache and not available: apt-get ended with 100: [^\n]*$/,
    );
    await build([{ packages: ["tool"] }], { update: true });
    expect(lock().packages.libtool.version).toBe("2:1.1");
    expect(initrd().equals(before)).toBe(false);
  });

  test("refuses a difference from the lock file, and keeps outputs and lock", async () => {
    const platform = { os: "linux", architecture: process.arch === "x64" ? "amd64" : process.arch };
    const image = async (text: string) => {
      const layers = [await packTar([file("a", text)])];
      await writeLayout(join(folder, "base.tar"), { name: "b", platform, config: {}, layers });
    };
    repository.publish([TOOL, LIBTOOL]);
    await image("1");
    const sources = [{ image: "base.tar" }, { packages: ["libtool"] }];
    await build(sources);
    const before = [initrd(), readFileSync(join(folder, "mine.lock.json"))];
    await expect(build([...sources, { packages: ["tool"] }])).rejects.toThrow(
      "lock file mine.lock.json: packages tool is missing: use --update to add it",
    );
    await expect(build([{ image: "base.tar" }])).rejects.toThrow(
      /^lock file mine.lock.json: closures libtool is nothing now, and \["libtool"\] in the lock: use --update [^\n]*$/,
    );
    await image("2");
    await expect(build(sources)).rejects.toThrow(
      /^lock file mine.lock.json: images base.tar is sha256:\w+ now, and sha256:\w+ in the lock: use --update [^\n]*$/,
    );
    // the archive has different bytes under the same version
    vi.stubEnv("GUESTD_CACHE", join(folder, "empty"));
    await image("1");
    repository.publish([{ ...LIBTOOL, files: { "lib/libtool.so": "bad" } }]);
    await expect(build(sources)).rejects.toThrow(/^package libtool 1\.0: its sha256 is \w{64}, not \w{64}$/);
    expect([initrd(), readFileSync(join(folder, "mine.lock.json"))]).toEqual(before);
  });

  test.each<[string, readonly LayerEntry[], RegExp]>([
    ["with ..", [file("../x", "1")], /^tar \S+bad.tar: entry "..\/x": its name has ".." in it/],
    [
      "with an absolute name",
      [file("/etc/x", "1")],
      /^tar \S+bad.tar: entry "\/etc\/x": its name or link target is an absolute path$/,
    ],
    [
      "by a hard link",
      [hardLink("a", "/etc/shadow")],
      /^tar \S+bad.tar: entry "a": its name or link target is an absolute path$/,
    ],
    ["by a hard link with ..", [hardLink("a", "../a")], /^tar \S+bad.tar: entry "a": its name has ".." in it/],
    [
      "through a link",
      [symlink("l", "/tmp"), file("l/x")],
      /^tar \S+bad.tar: entry "l\/x": it goes through l → \/tmp, /,
    ],
    [
      "through a link upwards",
      [symlink("l", ".."), file("l/x")],
      /entry "l\/x": it goes through l → \.\., which leads out/,
    ],
  ])("refuses a tar that climbs out %s, and leaves nothing", async (_how, entries, message) => {
    put("bad.tar", await packTar(entries));
    await refused([{ tar: "bad.tar" }], message);
  });

  test("refuses an extended attribute of an unsupported class, or on a link, by name", async () => {
    const pax = { "SCHILY.xattr.system.posix_acl_access": "x" };
    put("acl.tar", await packTar([{ ...file("a", "1"), pax }]));
    await refused(
      [{ tar: "acl.tar" }],
      /^image: a has the extended attribute system.posix_acl_access; only user\.\*, trusted\.\* and security\.\* of files/,
    );
    put("link.tar", await packTar([{ ...symlink("l", "a"), pax: { "SCHILY.xattr.security.selinux": "x" } }]));
    await refused([{ tar: "link.tar" }], /^image: l has the extended attribute security.selinux; /);
  });

  test("keeps capabilities of files, or drops them", async () => {
    const pax = { "SCHILY.xattr.security.capability": "x" };
    put("cap.tar", await packTar([{ ...file("a", "1", 0o4755), pax }]));
    await refused([{ tar: "cap.tar" }], /^initramfs: a has extended attributes, which a cpio can't hold/);
    await build([{ tar: "cap.tar" }], { outputs: ["erofs"] });
    const tree = readErofs(readFileSync(join(folder, "out/outputs", outputFile("erofs")))).tree;
    expect(tree.get("a")).toMatchObject({ mode: 0o4755, xattrs: new Map([["security.capability", Buffer.from("x")]]) });
    await build([{ tar: "cap.tar" }], { options: { "privileged-files": "drop" } });
    expect(list()).toEqual(["-rwxr-xr-x a"]);
  });

  test("keeps extended attributes of class user in a file system", async () => {
    const pax = { "SCHILY.xattr.user.note": "mine" };
    put("note.tar", await packTar([{ ...file("a", "1", 0o444), pax }]));
    await refused([{ tar: "note.tar" }], /^initramfs: a has extended attributes, which a cpio can't hold/);
    await build([{ tar: "note.tar" }], { outputs: ["erofs"] });
    const tree = readErofs(readFileSync(join(folder, "out/outputs", outputFile("erofs")))).tree;
    expect(tree.get("a")?.xattrs).toEqual(new Map([["user.note", Buffer.from("mine")]]));
  });

  test("reads attributes of class user from a folder and a file, and rebuilds when one has changed", async () => {
    const set = (path: string, name: string, value: string) =>
      execFileSync("setfattr", ["-h", "-n", name, "-v", value, join(folder, path)]);
    put("folder/odd = \\name\n", "1");
    put("folder/sub/plain", "2");
    put("note", "3");
    symlinkSync("folder", join(folder, "link"));
    symlinkSync("sub/plain", join(folder, "folder/link"));
    set("folder", "user.not", "below it");
    set("folder/odd = \\name\n", "user.a = \\b", "\\\n");
    set("folder/sub", "user.of", "a folder");
    set("note", "user.note", "mine");
    const sources = [
      { folder: "link", to: "/srv", owner: "5:6" },
      { file: "note", to: "/note" },
    ];
    await refused(sources, /^initramfs: note has extended attributes, which a cpio can't hold/);
    const found = async () => {
      await build(sources, { outputs: ["erofs"] });
      const { tree } = readErofs(readFileSync(join(folder, "out/outputs", outputFile("erofs"))));
      const texts = (xattrs: ReadonlyMap<string, Uint8Array>) =>
        Object.fromEntries([...xattrs].map(([name, value]) => [name, Buffer.from(value).toString()]));
      return Object.fromEntries([...tree].flatMap(([path, { xattrs }]) => (xattrs ? [[path, texts(xattrs)]] : [])));
    };
    const wanted = {
      "srv/odd = \\name\n": { "user.a = \\b": "\\\n" },
      "srv/sub": { "user.of": "a folder" },
      note: { "user.note": "mine" },
    };
    expect(await found()).toEqual(wanted);
    set("folder/sub/plain", "user.new", "");
    expect(await found()).toEqual({ ...wanted, "srv/sub/plain": { "user.new": "" } });
    set("note", "user.note", "yours");
    expect(await found()).toMatchObject({ note: { "user.note": "yours" } });
  });

  test("refuses truncated tars, images and packages, and leaves nothing", async () => {
    const tar = await packTar([file("a", "x".repeat(5000))]);
    const two = await packTar([file("a", "1"), { ...file("b", "2"), pax: { comment: "x" } }, file("c", "3")]);
    for (const [name, bytes] of [
      ["empty", 0],
      ["between", 1024],
      ["before-its-entry", 2048],
      ["before-the-end", two.length - 1024],
    ] as const) {
      put(`${name}.tar`, two.subarray(0, bytes));
      await refused([{ tar: `${name}.tar` }], /^tar \S+: it has no end-of-archive mark: is it cut off\?$/);
    }
    put("cut.tar", tar.subarray(0, 2000));
    put("cut.tar.gz", gzipSync(tar).subarray(0, 60));
    put("cut.tar.zst", zstdCompressSync(tar).subarray(0, 60));
    await refused([{ tar: "cut.tar" }], /^tar \S+cut.tar: \S[^\n]*$/);
    await refused([{ tar: "cut.tar.gz" }], /^tar \S+cut.tar.gz: \S[^\n]*$/);
    await refused([{ tar: "cut.tar.zst" }], /^tar \S+cut.tar.zst: \S[^\n]*$/);
    await refused([{ image: "cut.tar" }], /^image \S+cut.tar: \S[^\n]*$/);
    await refused([{ image: "none.tar" }], /^image \S+none.tar: \S[^\n]*$/);
    await refused(
      [{ file: "none", to: "/x" }],
      /^file \S+none: no such file \(paths start from the recipe's folder\)$/,
    );
    symlinkSync(".", join(folder, "link"));
    await refused([{ file: "link", to: "/x" }], /^file \S+link: not a file: /);
  });

  test("refuses a missing source or one of the wrong kind in one line", async () => {
    put("note", "1");
    put("folder/x", "2");
    await refused([{ folder: "note" }], /^folder \S+note: it or its parent is not a folder$/);
    await refused([{ folder: "note/x" }], /^folder \S+note\/x: it or its parent is not a folder$/);
    await refused([{ tar: "folder" }], /^tar \S+folder: not a file: /);
    await refused([{ tar: "note/x" }], /^tar \S+note\/x: it or its parent is not a folder$/);
    await refused([{ image: "note/x" }], /^image \S+note\/x: [^\n]*$/);
    await refused(
      [{ file: "note", to: `/${"x".repeat(256)}` }],
      /^file \S+note: entry "x+": a name in it has 256 bytes/,
    );
    await expect(buildRecipe(folder, { root, to: join(folder, "out") })).rejects.toThrow(
      /^recipe \S+: it is a folder, not a file$/,
    );
    const named = Buffer.concat([Buffer.from(join(folder, "folder/")), Buffer.from([0xff])]);
    writeFileSync(named, "3");
    await refused([{ folder: "folder" }], /^folder \S+: entry "\ufffd": its name is not UTF-8$/);
  });

  test("keeps hard links of a folder, and rebuilds when they become copies", async () => {
    put("folder/a", "1");
    linkSync(join(folder, "folder/a"), join(folder, "folder/b"));
    const links = async () => {
      await build([{ folder: "folder" }], { outputs: ["erofs"] });
      const { tree } = readErofs(readFileSync(join(folder, "out/outputs", outputFile("erofs"))));
      return tree.get("a") === tree.get("b");
    };
    expect(await links()).toBe(true);
    rmSync(join(folder, "folder/b"));
    put("folder/b", "1");
    expect(await links()).toBe(false);
  });

  async function refused(sources: readonly object[], message: RegExp): Promise<void> {
    await expect(build(sources)).rejects.toThrow(message);
    expect(leftIn(join(folder, "out"))).toEqual([]);
    expect(readdirSync(folder)).not.toContain("mine.lock.json");
  }
});

/** Returns the files below a folder, except the builder's digest cache. */
function leftIn(folder: string): readonly string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => !entry.isDirectory() && entry.name !== ".digests.json").map(({ name }) => name);
}
