import { expect, test } from "vitest";
import { realFiles } from "../../kernel/files.ts";
import { askedRuntime, findRuntime } from "./find-runtime.ts";

test("the annotation names the runtime; without one it is the built-in launcher", () => {
  expect(askedRuntime({})).toBeUndefined();
  expect(askedRuntime({ "guestd.runtime": "" })).toBeUndefined();
  expect(askedRuntime({ "guestd.runtime": "crun", other: "x" })).toBe("crun");
  expect(() => askedRuntime({ "guestd.runtime": "../sh" })).toThrow(
    'OCI spec: annotations["guestd.runtime"] "../sh" is not a known runtime; known are crun, runc, runsc',
  );
});

test("a runtime is found in the image's own directory first", () => {
  const files = { ...realFiles, exists: (path: string) => path.endsWith("/crun") };
  expect(findRuntime(files, "crun")).toBe("/usr/lib/guestd/runtimes/crun");
  const debian = { ...realFiles, exists: (path: string) => path === "/usr/sbin/runc" };
  expect(findRuntime(debian, "runc")).toBe("/usr/sbin/runc");
});

test("one that is not there is refused with the places and the way to have it", () => {
  const files = { ...realFiles, exists: () => false };
  expect(() => findRuntime(files, "runsc")).toThrow(
    /^runtime runsc is not in this guest \(looked in \/usr\/lib\/guestd\/runtimes, .*\); build the image with --with-runtime runsc$/,
  );
});
