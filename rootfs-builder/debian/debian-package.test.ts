import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { makeReadable } from "../../lib/testing/make-readable.ts";
import { mergeTars } from "../tree/merge.ts";
import { debianPackage, packageTar } from "./debian-package.ts";

describe("a Debian package of the cache", () => {
  let cache = "";
  beforeEach(async () => {
    cache = await mkdtemp(join(tmpdir(), "guestd-debs-"));
    vi.stubEnv("GUESTD_CACHE", cache);
    await mkdir(join(cache, "debs"));
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(cache, { recursive: true });
  });

  async function putDeb(name: string, version: string, paths: readonly string[]): Promise<void> {
    const root = join(cache, "package");
    const control = `Package: ${name}\nVersion: ${version}\nArchitecture: all\nMaintainer: a <a@b>\nDescription: a\n`;
    for (const [path, content] of [["DEBIAN/control", control], ...paths.map((path) => [path, path])] as const) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), content);
    }
    makeReadable(root);
    const target = join(cache, "debs", `${name}_${version}_all.deb`);
    const { status, stderr } = spawnSync("dpkg-deb", ["--root-owner-group", "--build", root, target], {
      encoding: "utf8",
    });
    expect(status, stderr).toBe(0);
    await rm(root, { recursive: true });
  }

  test("is the newest version", async () => {
    for (const version of ["1.9", "1.10", "1.2"]) await putDeb("thing", version, ["etc/a"]);
    await putDeb("thing-extra", "9", ["etc/a"]);
    expect(await debianPackage("thing")).toEqual({
      name: "thing",
      version: "1.10",
      file: join(cache, "debs", "thing_1.10_all.deb"),
    });
  });

  test("provides its files below /usr and without documentation", async () => {
    const paths = [
      "lib/x/libz.so",
      "sbin/tool",
      "usr/share/doc/thing/copyright",
      "usr/share/locale/de/x.mo",
      "etc/conf",
    ];
    await putDeb("thing", "1", paths);
    const tree = await mergeTars([packageTar(await debianPackage("thing"), (path) => path)]);
    const files = [...tree].filter(([, { type }]) => type === "file").map(([path]) => path);
    expect(files.sort()).toEqual(["etc/conf", "usr/lib/x/libz.so", "usr/sbin/tool"]);
  });

  test("is refused in one line if it is not a package", async () => {
    const file = join(cache, "debs", "broken_1_all.deb");
    await writeFile(file, "not a package");
    const broken = packageTar(await debianPackage("broken"), (path) => path);
    await expect(mergeTars([broken])).rejects.toThrow(/^(?=.*broken_1_all\.deb)[^\n]+$/);
  });
});
