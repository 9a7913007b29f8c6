import { join } from "node:path";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { expect, test } from "vitest";
import { applyLayers } from "../../../../image/apply-layers.ts";
import type { Layer } from "../../../../image/read-image.ts";
import { directory, file, hardLink, layerOf, symlink } from "../../../../image/testing/layers.ts";
import { temporaryDirectory, treeOf } from "../../../../image/testing/tree.ts";
import { unpack } from "../unpack.ts";
import { BlockTree } from "./block-tree.ts";
import type { DirectoryNode } from "./tree-node.ts";

const part = fc.constantFrom("a", "b", "c", "d", ".", ".wh.a", ".wh.b", ".wh..wh..opq");
const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
const target = fc.oneof(name, fc.constantFrom("/", "..", "../a", "/b/..", "../../c"));
const entry = fc.oneof(
  fc.tuple(name, fc.constantFrom("1", "2", "3")).map(([path, content]) => file(path, content)),
  name.map((path) => directory(path)),
  fc.tuple(name, target).map(([path, to]) => symlink(path, to)),
  fc.tuple(name, name).map(([path, to]) => hardLink(path, to)),
);
const images = fc.array(fc.array(entry, { maxLength: 7 }), { minLength: 1, maxLength: 3 });

/** Applies layers to a directory of the host, which is then described; undefined if they are refused. */
async function unpacked(layers: readonly Layer[]) {
  using work = temporaryDirectory();
  const root = join(work.path, "root");
  return await unpack({ layers }, root).then(
    () => treeOf(root),
    () => undefined,
  );
}

async function inMemory(layers: readonly Layer[]) {
  const contents: string[] = [];
  const tree = new BlockTree(async (content) => {
    contents.push(await text(content));
    return { block: contents.length - 1, size: 0 };
  });
  const describe = (node: DirectoryNode, below = ""): Record<string, string> => {
    const described: Record<string, string> = {};
    for (const [each, child] of node.children) {
      const path = join(below, each);
      if (child.kind === "directory") Object.assign(described, { [`${path}/`]: "" }, describe(child, path));
      else if (child.kind === "symlink") described[path] = `-> ${child.target}`;
      else described[path] = child.kind === "file" ? (contents[child.block] ?? "") : "special";
    }
    return described;
  };
  return applyLayers(layers, tree).then(
    () => describe(tree.root),
    () => undefined,
  );
}

test("applies layers to a tree in memory as to a directory of the host", async () => {
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(images, async (made) => {
      const layers = await Promise.all(made.map(layerOf));
      const expected = await unpacked(layers);
      if (expected !== undefined) compared += 1;
      expect(await inMemory(layers)).toEqual(expected);
    }),
    { numRuns: 100 },
  );
  expect(compared).toBeGreaterThan(10);
});
