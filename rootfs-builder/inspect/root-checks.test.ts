import { expect, test } from "vitest";
import type { Tree, TreeEntry } from "../tree/tree.ts";
import { follow } from "./root-checks.ts";

const DIRECTORY: TreeEntry = { type: "directory", mode: 0o755 };
const link = (target: string): TreeEntry => ({ type: "symlink", target });

/** Returns links l0 … lN: each leads twice to the next one, and the last to the root. */
function doubling(count: number): Tree {
  const lines = Array.from({ length: count }, (_, at): [string, TreeEntry] => [
    `l${at}`,
    link(`l${at + 1}/l${at + 1}`),
  ]);
  return new Map([...lines, [`l${count}`, link(".")], ["d", DIRECTORY]]);
}

test("gives up on links that are circular or resolve through too many names", () => {
  const circle: Tree = new Map([
    ["a", link("b")],
    ["b", link("a")],
  ]);
  expect(follow(circle, "a")).toBeUndefined();
  expect(follow(doubling(3), "l0/d")).toBe(DIRECTORY);
  expect(follow(doubling(30), "l0/d")).toBeUndefined();
  const winding = (turns: number): Tree => {
    return new Map([
      ["d", DIRECTORY],
      ["l", link(`${"d/../".repeat(turns)}d`)],
    ]);
  };
  expect(follow(winding(500), "l")).toBe(DIRECTORY);
  expect(follow(winding(1100), "l")).toBeUndefined();
});
