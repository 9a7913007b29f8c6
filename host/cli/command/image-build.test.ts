import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AptRepository } from "../../../rootfs-builder/debian/testing/apt-repository.ts";
import { mayMount, whyNoMounts } from "../../testing/may-mount.ts";
import { repositoryRoot } from "../../vm/paths.ts";

const guestctl = join(repositoryRoot, "host/cli/launch.cjs");
const MIB = 2 ** 20;

describe("guestctl image build", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "guestd-image-build-"));
    mkdirSync(join(folder, "out"));
    mkdirSync(join(folder, "files"));
    writeFileSync(join(folder, "files/noise"), randomBytes(8 * MIB));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function recipe(output: string): string {
    const text = `name: mine\nagent: false\noutputs: [${output}]\nsources:\n  - folder: files\n`;
    writeFileSync(join(folder, "mine.yaml"), text);
    return join(folder, "mine.yaml");
  }

  test("prints each step and the sizes of the result", () => {
    const line = [guestctl, "image", "build", recipe("kata-initrd"), "--to", join(folder, "out")];
    const { stdout, stderr, status } = spawnSync(process.execPath, line, { encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(
      /^sources: built in .* s\nKata initrd: built in .* s\n(?:.*: built in .* s\n)*lock file: built in .* s\n\nkata-guestd-/,
    );
    expect(stdout).toMatch(/^ {2}folder files +8192 KiB$/m);
    expect(spawnSync(process.execPath, line, { encoding: "utf8" }).stdout).toMatch(/^Kata initrd: up to date$/m);
  });

  test("reports an invalid recipe in one line", () => {
    writeFileSync(join(folder, "mine.yaml"), "name: mine\nsources:\n  - files: x\n");
    const line = [guestctl, "image", "build", join(folder, "mine.yaml"), "--to", join(folder, "out")];
    const { stdout, stderr, status } = spawnSync(process.execPath, line, { encoding: "utf8" });
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toBe(
      `guestctl: ${folder}/mine.yaml:3: sources[0]: needs one of the keys image, tar, packages, folder, file\n`,
    );
    expect(readdirSync(join(folder, "out"))).toEqual([]);
  });

  test.runIf(mayMount).each<[when: string, output: string, mib: number, noise?: number]>([
    ["while the root is written", "kata-initrd", 4],
    ["while files are laid out", "kata-image", 4],
    ["while the file system is made", "kata-image", 12],
    ["while the disk is written", "kata-image", 20],
    ["while a large file is put into an EROFS", "erofs", 12, 17],
    ["while a squashfs is made", "squashfs", 12],
    ["while an ext4 is made", "ext4", 12],
  ])(`leaves nothing half-written when the disk is full %s${whyNoMounts}`, (_when, output, mib, noise) => {
    if (noise !== undefined) writeFileSync(join(folder, "files/noise"), randomBytes(noise * MIB));
    const out = join(folder, "out");
    const script =
      'mount -t tmpfs -o "size=$1m" none "$2" && out=$2 && shift 2; "$@"; echo $?; cd "$out" && find . -type f';
    const build = [process.execPath, guestctl, "image", "build", recipe(output), "--to", out];
    const shell = ["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", String(mib), out];
    const { stdout, stderr } = spawnSync("unshare", [...shell, ...build], { encoding: "utf8" });
    const within = output.startsWith("kata") ? "kata" : "outputs";
    expect(stderr).toBe(`guestctl: ${out}/${within}: disk full: make room there, or use another folder with --to\n`);
    expect(stdout).toMatch(/^sources: built in \S+ s\n1\n\.\/image\/\.digests\.json\n$/);
    expect(readdirSync(folder).sort()).toEqual(["files", "mine.yaml", "out"]);
  });

  test.runIf(mayMount)(`names the cache when its disk is full and leaves no files in it${whyNoMounts}`, () => {
    const [out, cache] = [join(folder, "out"), join(folder, "cache")];
    mkdirSync(cache);
    const repository = new AptRepository(join(folder, "apt"));
    // Copy the packages as over a network: apt doesn't report a failed copy from a local folder.
    const list = join(folder, "apt/etc/sources.list");
    writeFileSync(list, readFileSync(list, "utf8").replace(" file:", " copy:"));
    repository.publish([{ name: "large", files: { "usr/large": randomBytes(2 * MIB).toString("hex") } }]);
    const text = "name: mine\nagent: false\noutputs: [kata-initrd]\nsources:\n  - packages: [large]\n";
    writeFileSync(join(folder, "mine.yaml"), text);
    const script = 'mount -t tmpfs -o size=1m none "$1" && cd "$1" && shift && "$@"; echo $?; find . -type f';
    const build = [process.execPath, guestctl, "image", "build", join(folder, "mine.yaml"), "--to", out];
    const { stdout, stderr } = spawnSync(
      "unshare",
      ["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", cache, ...build],
      { encoding: "utf8", env: { ...process.env, ...repository.env, GUESTD_CACHE: cache } },
    );
    expect(stderr).toBe(
      `guestctl: ${cache}/packages: disk full: make room there, or use another folder with GUESTD_CACHE\n`,
    );
    expect(stdout).toBe("1\n");
  });
});
