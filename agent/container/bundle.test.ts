import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Files } from "../kernel/files.ts";
import { makeBundle, removeBundle } from "./bundle.ts";
import { filesBelow } from "./testing/files-below.ts";
import { testSpec } from "./testing/test-spec.ts";

test("config.json contains the spec under its OCI names", () => {
  const written: string[] = [];
  const files = { makeDirectory: () => undefined, replace: (...args: string[]) => void written.push(...args) };
  makeBundle(files as unknown as Files, "c1", testSpec());
  expect(written[0]).toBe("/run/kata-containers/c1/config.json");
  expect(JSON.parse(written[1] ?? "")).toMatchObject({ process: { args: ["/bin/sh"] } });
  expect(written[1]).not.toContain("unsupported");
});

test("removing a bundle keeps other files in its directory", () => {
  const removed: string[] = [];
  const files = {
    removeTree: (path: string) => void removed.push(path),
    removeDirectory: () => {
      throw new Error("ENOTEMPTY");
    },
  };
  expect(() => removeBundle(files as unknown as Files, "shared")).not.toThrow();
  expect(removed).toEqual(["/run/kata-containers/shared/config.json"]);
});

test("a bundle is created in a new directory, which is removed with it", () => {
  const root = mkdtempSync(join(tmpdir(), "bundle-"));
  const files = filesBelow(root);
  makeBundle(files, "c1", testSpec());
  expect(files.list("/run/kata-containers/c1")).toEqual(["config.json"]);
  removeBundle(files, "c1");
  expect(files.list("/run/kata-containers")).toEqual([]);
  rmSync(root, { recursive: true });
});
