import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cacheDirectory, repositoryRoot as root } from "../../host/vm/paths.ts";
import { isRoot } from "../../lib/is-root.ts";
import { buildTasks } from "../../rootfs-builder/build-image.ts";

const OUTPUTS = [
  ...["agent.cjs", "agent.cache", "grpc.cjs", "grpc.cache", "tar.cjs", "yaml.cjs", "agent.cpio"].map(
    (name) => `agent/${name}`,
  ),
  ...["vmlinuz", "initrd.cpio", "guest.img"].map((name) => `image/${name}`),
  "manifest.json",
  "sbom.cdx.json",
];
const BUILT = join(root, "build");
const NOBODY = 65534;

describe("the image that `npm run build` has built", () => {
  let directory = "";
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "guestd-image-"));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  async function digests(folder: string): Promise<Record<string, string>> {
    const pairs = OUTPUTS.map(async (output) => {
      const content = await readFile(join(folder, output));
      return [output, createHash("sha256").update(content).digest("hex")];
    });
    return Object.fromEntries(await Promise.all(pairs));
  }

  test.skipIf(isRoot())("has the same bytes in another folder, including the warmed code caches", async () => {
    const other = join(directory, "another/folder");
    for (const task of await buildTasks({ root, to: other })) await task.run();
    expect(await digests(other)).toEqual(await digests(BUILT));
  });

  const title = "has the same bytes in another folder, for another user with another umask (needs root)";
  test.runIf(isRoot())(title, async () => {
    const home = join(directory, "of-nobody");
    const cache = join(home, "cache");
    const mine = cacheDirectory();
    await mkdir(cache, { recursive: true });
    // Downloads are shared; the stripped Node that is cached beside them is created again.
    for (const name of ["debs", "kernel"]) await symlink(join(mine, name), join(cache, name));
    // Another user to itself, without privileges, who may read the repository and the cache wherever root keeps them.
    const other = ["--user", `--map-user=${NOBODY}`, `--map-group=${NOBODY}`];
    const privately = 'umask 077 && id -u && grep ^CapEff /proc/self/status && exec "$@"';
    const build = [process.execPath, join(root, "rootfs-builder/build.ts"), "--to", join(home, "out")];
    const { stdout } = await promisify(execFile)("unshare", [...other, "sh", "-c", privately, "sh", ...build], {
      cwd: home,
      env: { PATH: process.env["PATH"], HOME: home, TMPDIR: home, GUESTD_CACHE: cache },
    });
    expect(stdout).toMatch(/^65534\nCapEff:\t0{16}\n/);
    const image = await stat(join(home, "out/image/guest.img"));
    expect(image.mode & 0o777).toBe(0o600);
    expect(await digests(join(home, "out"))).toEqual(await digests(BUILT));
  });
});
