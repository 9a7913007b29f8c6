import { expect, test } from "vitest";
import { MS_PRIVATE, MS_REC, MS_SHARED, MS_SLAVE, MS_UNBINDABLE } from "../../kernel/constants.ts";
import { PlanBuilder } from "../plan/plan-builder.ts";
import { testSpec } from "../testing/test-spec.ts";
import { clonePropagation, enterRoot, finishPropagation, propagationFlags, staysShared } from "./compile-root.ts";

const specOf = (rootfsPropagation: string) =>
  testSpec({ root: { path: "/rootfs", readonly: false }, linux: { ...testSpec().linux, rootfsPropagation } });

/** The operations that a word adds before and after the container's mounts. */
function compiled(word: string) {
  const [before, after] = [new PlanBuilder(), new PlanBuilder()];
  enterRoot(before, specOf(word), "/under");
  finishPropagation(after, specOf(word));
  return [before, after].map((plan) => plan.finish().steps.map(({ op }) => op));
}

const ROOT = [
  { op: "open-tree", from: "guest", path: "/rootfs", recursive: true },
  { op: "root", path: "/rootfs" },
];
const set = (path: string, flags: number) => ({ op: "propagate", path, flags });

test.each([
  ["", MS_SLAVE, MS_SLAVE, MS_REC | MS_SLAVE],
  ["slave", MS_SLAVE, MS_SLAVE, MS_REC | MS_SLAVE],
  ["rslave", MS_REC | MS_SLAVE, MS_SLAVE, MS_REC | MS_SLAVE],
  ["private", MS_PRIVATE, MS_PRIVATE, MS_REC | MS_PRIVATE],
  ["rprivate", MS_REC | MS_PRIVATE, MS_PRIVATE, MS_REC | MS_PRIVATE],
])("the propagation %j is set for all mounts before the root is taken", (word, flags, clones, first) => {
  expect([propagationFlags(word), clonePropagation(word), staysShared(word)]).toEqual([flags, clones, false]);
  expect(compiled(word)).toEqual([[set("/", first), ...ROOT], []]);
});

test.each([
  ["unbindable", MS_UNBINDABLE],
  ["runbindable", MS_REC | MS_UNBINDABLE],
])("the root becomes %s at the end, as such a mount can't be bound", (word, flags) => {
  expect([propagationFlags(word), clonePropagation(word), staysShared(word)]).toEqual([flags, MS_PRIVATE, false]);
  expect(compiled(word)).toEqual([[set("/", MS_REC | MS_PRIVATE), ...ROOT], [set("/", flags)]]);
});

test.each([
  ["shared", MS_SHARED],
  ["rshared", MS_REC | MS_SHARED],
])("with %s only the mount that holds the root, and the root itself, are private", (word, flags) => {
  expect([propagationFlags(word), clonePropagation(word), staysShared(word)]).toEqual([flags, 0, true]);
  const [tree, root] = ROOT;
  const own = { op: "setattr", set: 0, clear: 0, propagation: MS_PRIVATE, recursive: true };
  expect(compiled(word)).toEqual([[set("/", flags), tree, own, set("/under", MS_PRIVATE), root], [set("/", flags)]]);
});

test.each(["r", "rr", "slaver", "xshared", "Slave"])("%j is no propagation", (word) => {
  expect(propagationFlags(word)).toBeUndefined();
});
