import fc from "fast-check";
import { expect, test } from "vitest";
import { AgentError } from "../../kernel/error.ts";
import { cgroupPath } from "./cgroup-path.ts";

test.each([
  ["/default/c1", "/default/c1"],
  ["", "/c1"],
  ["system.slice:kata:c1", "/system.slice/kata/c1"],
  ["kubepods//pod1/./c1/", "/kubepods/pod1/c1"],
  ["/a/guestd", "/a/guestd"],
  ["guestd:x", "/guestd/x"],
  ["/..a", "/..a"],
])("maps %j to %s", (given, path) => {
  expect(cgroupPath(given, "c1")).toBe(path);
});

test.each([
  ["../c1", 'has ".." in it'],
  ["a:..:b", 'has ".." in it'],
  ["/", "is the root cgroup; a container needs one of its own"],
  ["::", "is the root cgroup; a container needs one of its own"],
  ["/a\0b", "has a NUL byte or a line break"],
  ["/a\nb", "has a NUL byte or a line break"],
])("refuses %j in one line", (given, why) => {
  const message = `OCI spec: linux.cgroupsPath ${JSON.stringify(given)} ${why}`;
  expect(() => cgroupPath(given, "c1")).toThrow(expect.objectContaining({ kind: "invalid-argument", message }));
});

test("never returns a path outside the containers' cgroup", () => {
  const part = fc.oneof(fc.constantFrom("..", ".", "", "guestd", "a"), fc.string());
  const given = fc.array(part).chain((parts) => fc.constantFrom("/", ":").map((separator) => parts.join(separator)));
  fc.assert(
    fc.property(given, (text) => {
      let path: string;
      try {
        path = cgroupPath(text, "c1");
      } catch (error) {
        expect(error).toBeInstanceOf(AgentError);
        return;
      }
      expect(new URL(`file://${path.split("/").map(encodeURIComponent).join("/")}`).pathname.split("/")).toHaveLength(
        path.split("/").length,
      );
      expect(path).toMatch(/^\/[^/]/);
    }),
  );
});
