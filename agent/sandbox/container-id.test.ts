import fc from "fast-check";
import { expect, test } from "vitest";
import { checkContainerId, checkExecId } from "./container-id.ts";

test.each(["c1", "0a", "A_.-b", "a".repeat(200)])("%s is accepted as a container id", (id) => {
  expect(() => checkContainerId(id)).not.toThrow();
});

test.each(["", "a", ".a", "-a", "_a", "a/b", "a\n", "a\0b", "ä1", "..", "a".repeat(201)])(
  "%j is refused as a container id",
  (id) => {
    expect(() => checkContainerId(id)).toThrow(/^Invalid container id ".*": it must match/);
  },
);

test("no accepted id leads out of a directory", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 30 }), (id) => {
      try {
        checkContainerId(id);
      } catch {
        return;
      }
      expect(id).toMatch(/^[^/\0]+$/);
      expect(id.startsWith(".")).toBe(false);
    }),
  );
});

test("an exec id may be any text that fits into a label", () => {
  expect(() => checkExecId("any / text ä")).not.toThrow();
  expect(() => checkExecId("ä".repeat(129))).toThrow("longer than 256 bytes");
  expect(() => checkExecId("a\0")).toThrow("NUL byte");
});
