import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { testSpec } from "../testing/test-spec.ts";
import { BuiltInRuntime } from "./built-in-runtime.ts";
import { builtInHooks, chooseRuntime, clearRemains } from "./choose-runtime.ts";
import { OciRuntime } from "./oci-runtime.ts";
import { RuntimeDouble } from "./testing/runtime-double.ts";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "choose-runtime-"));
});
afterEach(() => rmSync(root, { recursive: true }));

const crun = { "guestd.runtime": "crun" };
const optionsOf = (annotations: Record<string, string>) => ({
  ...{ id: "c1", spec: testSpec({ annotations }), cgroup: join(root, "cgroup"), pipeSize: 0 },
});

test("the annotation decides which runtime creates a container, and who runs its hooks", () => {
  const { kernel } = new RuntimeDouble(root);
  expect(chooseRuntime(kernel, optionsOf({}))).toBeInstanceOf(BuiltInRuntime);
  expect(chooseRuntime(kernel, optionsOf(crun))).toBeInstanceOf(OciRuntime);
  expect(() => chooseRuntime(kernel, optionsOf({ "guestd.runtime": "podman" }))).toThrow('"podman" is not a known');
  const hooks = { prestart: [{ path: "/h", args: [], env: [], timeout: 1 }] };
  expect(builtInHooks(testSpec({ hooks }))).toBe(hooks);
  expect(builtInHooks(testSpec({ hooks, annotations: crun }))).toBeUndefined();
});

test("what an interrupted creation left is killed and deleted", async () => {
  const double = new RuntimeDouble(root);
  mkdirSync(join(root, "cgroup"));
  writeFileSync(join(root, "cgroup/cgroup.kill"), "");
  double.kernel.files.makeDirectory("/run/guestd/bundles/c1");
  await clearRemains(double.kernel, optionsOf(crun));
  expect(readFileSync(join(root, "cgroup/cgroup.kill"), "utf8")).toBe("1");
  expect(double.calls.map(({ name }) => name)).toEqual(["delete"]);
  await clearRemains(double.kernel, optionsOf({}));
  expect(double.calls).toHaveLength(1);
});
