import { expect, test } from "vitest";
import { onlineMemoryBlock } from "./online-memory-block.ts";
import { TestTree } from "./testing/test-tree.ts";

const block = (name: string) => `/devices/system/memory/${name}`;
const event = (name: string, action = "add") => ({ action, devpath: block(name), subsystem: "memory" });

test("a plugged-in memory block is brought online", async () => {
  const tree = new TestTree();
  tree.file(`/sys${block("memory40")}/online`, "0\n");
  await onlineMemoryBlock(event("memory40"), tree);
  expect(tree.readText(`/sys${block("memory40")}/online`)).toBe("1");
});

test("removed blocks, blocks that are online and other devices are left alone", async () => {
  const tree = new TestTree();
  const names = ["memory1", "memory2", "memoryx"];
  for (const name of names) tree.file(`/sys${block(name)}/online`, name === "memory2" ? "1\n" : "0\n");
  await onlineMemoryBlock(event("memory1", "remove"), tree);
  for (const name of ["memory2", "memoryx", "memory99"]) await onlineMemoryBlock(event(name), tree);
  expect(names.map((name) => tree.readText(`/sys${block(name)}/online`))).toEqual(["0\n", "1\n", "0\n"]);
});
