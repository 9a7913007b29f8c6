import { expect, test } from "vitest";
import { realFiles } from "../../kernel/files.ts";
import { findRuntime, requestedRuntime } from "./find-runtime.ts";

test("an annotation names the runtime; without one the built-in runtime applies", () => {
  expect(requestedRuntime({})).toBeUndefined();
  expect(requestedRuntime({ "guestd.runtime": "" })).toBeUndefined();
  expect(requestedRuntime({ "guestd.runtime": "crun", other: "x" })).toBe("crun");
  expect(() => requestedRuntime({ "guestd.runtime": "../sh" })).toThrow(
    'OCI spec: annotations["guestd.runtime"] "../sh" is not a known runtime; known are crun, runc, runsc',
  );
});

test("finds a runtime in guestd's own directory first", () => {
  const files = { ...realFiles, exists: (path: string) => path.endsWith("/crun") };
  expect(findRuntime(files, "crun")).toBe("/usr/lib/guestd/runtimes/crun");
  const debian = { ...realFiles, exists: (path: string) => path === "/usr/sbin/runc" };
  expect(findRuntime(debian, "runc")).toBe("/usr/sbin/runc");
});

test("refuses a missing runtime in a line that names the directories searched and the remedy", () => {
  const files = { ...realFiles, exists: () => false };
  expect(() => findRuntime(files, "runsc")).toThrow(
    /^runtime runsc is not in this guest \(looked in \/usr\/lib\/guestd\/runtimes, .*\); build the image with --with-runtime runsc$/,
  );
});
