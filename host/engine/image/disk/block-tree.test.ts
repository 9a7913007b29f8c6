import { expect, test } from "vitest";
import { applyLayers } from "../../../../image/apply-layers.ts";
import { directory, file, layerOf, symlink } from "../../../../image/testing/layers.ts";
import type { LayerEntry } from "../../../../image/write-layout.ts";
import { BlockTree, type BlockTreeLimits } from "./block-tree.ts";

const WIDE: BlockTreeLimits = { entries: 100, directories: 100, text: 100_000 };

async function apply(limits: Partial<BlockTreeLimits>, entries: readonly LayerEntry[]): Promise<unknown> {
  const tree = new BlockTree(async () => ({ block: 1, size: 0 }), { ...WIDE, ...limits });
  await applyLayers([await layerOf(entries)], tree);
  return "done";
}

test("limits entries, directories and the length of names, targets and attributes", async () => {
  const files = [file("a"), file("b"), file("c")];
  expect(await apply({ entries: 3 }, files)).toBe("done");
  await expect(apply({ entries: 2 }, files)).rejects.toThrow('entry "c": the image has too many entries');
  const nested = [directory("d"), file("d/e/f")];
  expect(await apply({ directories: 2 }, nested)).toBe("done");
  await expect(apply({ directories: 1 }, nested)).rejects.toThrow("it has too many directories, parents included");
  await expect(apply({ text: 5 }, [file("abcdef")])).rejects.toThrow("the image has too many entries");
  await expect(apply({ text: 5 }, [symlink("l", "abcdef")])).rejects.toThrow("the image has too many entries");
  const pax = { "SCHILY.xattr.user.a": "x".repeat(100) };
  const attribute = { name: "f", content: "", mode: 0o644, pax };
  await expect(apply({ text: 50 }, [attribute])).rejects.toThrow("the image has too many entries");
});

test("counts entries that are removed again", async () => {
  const again = Array.from({ length: 101 }, () => file("same"));
  await expect(apply({}, again)).rejects.toThrow("the image has too many entries");
});

test.each<[string, LayerEntry, string]>([
  ["a name that is too long", file("n".repeat(256)), "a part of its name has more than 255 bytes"],
  ["a parent whose name is too long", file(`${"n".repeat(256)}/f`), "a part of its name has more than 255 bytes"],
  ["a link target that is too long", symlink("l", "t".repeat(4096)), "has more than 4095 bytes"],
  [
    "too many bytes of attributes",
    { name: "f", content: "", mode: 0o644, pax: { "SCHILY.xattr.user.a": "x".repeat(65_536) } },
    "its extended attributes have more than 65535 bytes",
  ],
])("refuses %s", async (_what, entry, message) => {
  await expect(apply({}, [entry])).rejects.toThrow(message);
});
