import { expect, test } from "vitest";
import { foldLayers } from "./fold-layers.ts";
import type { Storage } from "./storage.ts";

const storage = (source: string, options: readonly string[], parts: Partial<Storage> = {}): Storage => ({
  ...{ driver: "blk", driverOptions: [], source, fstype: "erofs", mountPoint: "/root", shared: false },
  ...parts,
  options,
});
const lower = (source: string, parts?: Partial<Storage>) =>
  storage(source, ["X-kata.overlay-lower", "X-kata.multi-layer=true"], parts);
const upper = (source: string) =>
  storage(source, ["X-kata.overlay-upper", "X-kata.multi-layer=true"], { fstype: "ext4" });

test("layers become one storage in the place of the first, in their order", () => {
  const [before, after] = [storage("a", [], { mountPoint: "/a" }), storage("b", [], { mountPoint: "/b" })];
  const folded = foldLayers([before, upper("02/01"), after, lower("02/02"), lower("02/03", { mountPoint: "/root/" })]);
  expect(folded.map(({ mountPoint }) => mountPoint)).toEqual(["/a", "/root", "/b"]);
  expect(folded[1]).toMatchObject({ driver: "erofs.multi-layer", shared: false, fstype: "overlay", driverOptions: [] });
  expect(folded[1]?.layers?.map(({ role, source }) => `${role} ${source}`)).toEqual([
    "upper 02/01",
    "lower 02/02",
    "lower 02/03",
  ]);
});

test("storages without layers, and folded ones, stay as they are", () => {
  const plain = [storage("a", [])];
  expect(foldLayers(plain)).toBe(plain);
  const folded = foldLayers([lower("02/01")]);
  expect(foldLayers(folded)).toBe(folded);
});

test.each<[string, readonly Storage[], string]>([
  ["two mount points", [lower("a"), lower("b", { mountPoint: "/x" })], "layers have the mount points /root and /x"],
  ["no lower layer", [upper("a")], "/root has 0 lower layers, use 1 to 500"],
  ["two upper layers", [upper("a"), upper("b"), lower("c")], "/root has 2 upper layers, use at most one"],
])("a root with %s is refused", (_, storages, why) => {
  expect(() => foldLayers(storages)).toThrow(why);
});
