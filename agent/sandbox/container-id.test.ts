import fc from "fast-check";
import { expect, test } from "vitest";
import { checkContainerId, checkExecId } from "./container-id.ts";

test.each(["c1", "0a", "A_.-b", "a".repeat(200)])("%s is accepted as a container id", (id) => {
  expect(() => checkContainerId(id)).not.toThrow();
});

test.each(["", "a", ".a", "-a", "_a", "a/b", "a\n", "a\0b", "ä1", "..", "a".repeat(201)])(
  "%j is refused as a container id",
  (id) => {
    expect(() => checkContainerId(id)).toThrow(
      expect.objectContaining({
        kind: "invalid-argument",
        message: `Invalid container id ${JSON.stringify(id.slice(0, 80))}: it must match ^[A-Za-z0-9][A-Za-z0-9_.-]{1,199}$`,
      }),
    );
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
  expect(() => checkExecId("ä".repeat(128))).not.toThrow();
  for (const id of [`${"ä".repeat(128)}a`, "a\0"]) {
    expect(() => checkExecId(id)).toThrow(
      expect.objectContaining({
        kind: "invalid-argument",
        message: "invalid exec id: longer than 256 bytes, or with a NUL byte",
      }),
    );
  }
});
