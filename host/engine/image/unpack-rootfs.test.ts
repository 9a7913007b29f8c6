import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { thisPlatform } from "../../../image/platform.ts";
import { directory, file } from "../../../image/testing/layers.ts";
import { temporaryDirectory, treeOf } from "../../../image/testing/tree.ts";
import { packTar, writeLayout } from "../../../image/write-layout.ts";
import { makeSharedFolder, removeContainer } from "../guest/shared-folder.ts";
import { unpackRootfs } from "./unpack-rootfs.ts";

async function imageAt(path: string): Promise<string> {
  const many = Array.from({ length: 50 }, (_, at) => file(`dir/file-${at}`, "text"));
  const layers = [await packTar([directory("dir", 0o755), ...many])];
  await writeLayout(path, { name: "image", platform: thisPlatform(), config: {}, layers });
  return path;
}

test("unpacks an image out of the guest's sight and moves it in complete, whatever the umask", async () => {
  using temporary = temporaryDirectory();
  const image = await imageAt(join(temporary.path, "image.tar"));
  const folder = await makeSharedFolder();
  const before = process.umask(0o077);
  try {
    const { entries } = await unpackRootfs({ path: image }, folder.directory, "c1", { keepOwners: false });
    expect(entries).toBe(51);
    const container = join(folder.share.directory, "c1");
    expect(treeOf(container)["rootfs/dir/file-7"]).toBe("text");
    expect([container, join(container, "rootfs")].map((path) => statSync(path).mode & 0o777)).toEqual([0o755, 0o755]);
    expect(readdirSync(folder.directory).filter((name) => name.startsWith("unpacking-"))).toEqual([]);
  } finally {
    process.umask(before);
    await folder.remove();
  }
});

test("writes nothing outside while a guest keeps planting links in the container's place", async () => {
  using temporary = temporaryDirectory();
  const image = await imageAt(join(temporary.path, "image.tar"));
  const outside = join(temporary.path, "outside");
  mkdirSync(join(outside, "rootfs"), { recursive: true });
  chmodSync(join(outside, "rootfs"), 0o700);
  const folder = await makeSharedFolder();
  // The container's place alternates between a link to the outside, a directory whose rootfs is such a link, and
  // nothing.
  const swap = `
    import { mkdirSync, renameSync, symlinkSync, unlinkSync } from "node:fs";
    const [share, outside] = process.argv.slice(1);
    process.chdir(share);
    process.send("up");
    const all = [
      () => symlinkSync(outside, "c1"), () => unlinkSync("c1"), () => mkdirSync("c1"),
      () => mkdirSync("trap"), () => symlinkSync(outside, "trap/rootfs"), () => renameSync("trap", "c1"),
      () => renameSync("c1", "gone"), () => renameSync("gone", "c1"), () => renameSync("c1", "away-" + Math.random()),
    ];
    for (let at = 0; ; at = (at * 31 + 7) % 10007) try { all[at % all.length](); } catch {}`;
  const guest = spawn(process.execPath, ["--input-type=module", "-e", swap, folder.share.directory, outside], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  try {
    await once(guest, "message");
    let moved = 0;
    const end = performance.now() + 1500;
    for (let tries = 0; performance.now() < end || (moved === 0 && tries < 1000); tries++) {
      const unpacked = unpackRootfs({ path: image }, folder.directory, "c1", { keepOwners: false });
      moved += await unpacked.then(
        () => 1,
        () => 0,
      );
      await removeContainer(folder.directory, "c1").catch(() => undefined);
      expect(treeOf(outside)).toEqual({ "rootfs/": "" });
      expect(statSync(join(outside, "rootfs")).mode & 0o777).toBe(0o700);
    }
    expect(moved).toBeGreaterThan(0);
  } finally {
    guest.kill("SIGKILL");
    await once(guest, "exit");
    await folder.remove();
  }
  expect(existsSync(folder.directory)).toBe(false);
});
