import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { applyLayers } from "../../../image/apply-layers.ts";
import { directory, file, layerOf } from "../../../image/testing/layers.ts";
import { temporaryDirectory } from "../../../image/testing/tree.ts";
import { type TreeLimits, TreeWriter } from "../../../image/tree-writer.ts";
import type { LayerEntry } from "../../../image/write-layout.ts";
import { mayMount, whyNoMounts } from "../../testing/may-mount.ts";
import { plainAccess } from "./plain-access.ts";

const WIDE: TreeLimits = { directories: 100, pathLength: 10_000, paths: 100 };

async function unpackWith(limits: Partial<TreeLimits>, entries: readonly LayerEntry[]): Promise<unknown> {
  using temporary = temporaryDirectory();
  const root = join(temporary.path, "r");
  mkdirSync(root);
  const writer = new TreeWriter(root, plainAccess, false, { ...WIDE, ...limits });
  await applyLayers([await layerOf(entries)], writer);
  await writer.finish();
  return "done";
}

test("limits a layer's paths, directories and their total length", async () => {
  const files = [file("a"), file("b"), file("c")];
  expect(await unpackWith({ paths: 3 }, files)).toBe("done");
  await expect(unpackWith({ paths: 2 }, files)).rejects.toThrow('entry "c": its layer has more than');
  const nested = [directory("d"), file("d/e/f")];
  expect(await unpackWith({ directories: 2 }, nested)).toBe("done");
  const many = "it has too many directories, parents included";
  await expect(unpackWith({ directories: 1 }, nested)).rejects.toThrow(many);
  await expect(unpackWith({ pathLength: 5 }, nested)).rejects.toThrow(many);
});

test.runIf(mayMount)(`reports an image larger than the disk in one line${whyNoMounts}`, () => {
  const script = `
    import { join } from "node:path";
    const [repository, disk] = process.argv.slice(1);
    const { unpack } = await import(join(repository, "host/engine/image/unpack.ts"));
    const { layerOf, file, directory } = await import(join(repository, "image/testing/layers.ts"));
    const layer = await layerOf([directory("d", 0o500), file("d/f", "x".repeat(4 << 20)), file("g")]);
    await unpack({ layers: [layer] }, join(disk, "r")).catch((error) => console.log(error.name + ": " + error.message));`;
  using temporary = temporaryDirectory();
  const repository = join(import.meta.dirname, "../../..");
  const node = [process.execPath, "--input-type=module", "--eval", script, repository, temporary.path];
  const shell = ["sh", "-c", 'mount -t tmpfs -o size=1m none "$0" && exec "$@"', temporary.path, ...node];
  const { stdout, stderr } = spawnSync("unshare", ["--user", "--map-root-user", "--mount", ...shell], {
    encoding: "utf8",
  });
  expect([stdout, stderr]).toEqual([
    expect.stringMatching(/^ImageError: unpack layer sha256:\w+: entry "d\/f": ENOSPC[^\n]*\n$/),
    "",
  ]);
});
