import { expect, test } from "vitest";
import { directory, file, hardLink, layerOf, symlink } from "../../image/testing/layers.ts";
import { temporaryDirectory, treeOf } from "../../image/testing/tree.ts";
import type { LayerEntry } from "../../image/write-layout.ts";
import { extractedBlockRoot } from "./testing/extract-block-root.ts";

async function made(layers: readonly (readonly LayerEntry[])[]) {
  using root = temporaryDirectory();
  await extractedBlockRoot({ layers: await Promise.all(layers.map(layerOf)) }, root.path);
  return treeOf(root.path);
}

test("applies layers like a directory", async () => {
  const tree = await made([
    [directory("a"), file("a/f", "lower"), file("a/g", "x".repeat(10_000)), symlink("l", "a/f")],
    [file("a/.wh.f"), hardLink("h", "a/g"), file("b/c/d", "deep")],
  ]);
  expect(tree).toEqual({
    ...{ "a/": "", "a/g": "x".repeat(10_000), "b/": "", "b/c/": "", "b/c/d": "deep" },
    ...{ h: "x".repeat(10_000), l: "-> a/f" },
  });
});
