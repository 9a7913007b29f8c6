import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { HookSpec } from "../container/hooks/hooks.ts";
import { testKernel } from "../container/testing/test-kernel.ts";
import { testSpec } from "../container/testing/test-spec.ts";
import type { FoundEdits } from "../device/cdi/cdi-devices.ts";
import { givenDevices, guestSpec, podSpec, withUser } from "./pod-spec.ts";

const from = "CDI device a.b/c=0";
const NO_EDITS: FoundEdits = { env: [], nodes: [], mounts: [], hooks: [], gids: [] };
const node = { path: "/dev/x", type: "c", major: 10, minor: 3, access: "rw", from };
const hook = (path: string): HookSpec => ({ path, args: [path], env: [], timeout: 10 });
const spec = testSpec();

test("a container has its own hooks, then those of its CDI devices, then the guest's", () => {
  const own = testSpec({ hooks: { poststop: [hook("/own")] } });
  const edits = { ...NO_EDITS, hooks: [{ kind: "poststop", path: "/cdi", args: ["/cdi"], env: [], from }] };
  const hooks = { poststop: [hook("/guest")] };
  const pathsOf = (made: typeof spec) => made.hooks?.poststop?.map(({ path }) => path);
  expect(pathsOf(podSpec({ spec: own, sharePid: false }, { hooks, edits }))).toEqual(["/own", "/cdi", "/guest"]);
  expect(pathsOf(podSpec({ spec: own, sharePid: false }, { hooks }))).toEqual(["/own", "/guest"]);
  expect(podSpec({ spec, sharePid: false }, { edits: NO_EDITS })).not.toHaveProperty("hooks");
});

test.each([
  [true, "/proc/self/fd/9", "/proc/self/fd/9"],
  [false, "/proc/self/fd/9", ""],
  [true, undefined, ""],
])("a container that shares pids (%s) of a pod whose namespace is %s joins %j", (sharePid, pidPath, path) => {
  const { namespaces } = podSpec({ spec, sharePid }, { pidPath }).linux;
  expect(namespaces.filter(({ type }) => type === "pid")).toEqual([{ type: "pid", path }]);
  expect(namespaces.filter(({ type }) => type === "uts")).toEqual([{ type: "uts", path: "/run/sandbox-ns/uts" }]);
});

test("the devices of a privileged container are allowed", () => {
  const capabilities = { bounding: ["SYS_ADMIN"], effective: [], inheritable: [], permitted: [], ambient: [] };
  const made = podSpec({ spec: testSpec({ process: { ...spec.process, capabilities } }), sharePid: false }, {});
  expect(made.linux.resources.devices).toEqual([{ allow: true, type: "a", access: "rwm" }]);
});

test("a spec that a CDI device makes unsupported is refused", () => {
  const edits = { ...NO_EDITS, nodes: [{ ...node, type: "x" }] };
  expect(() => guestSpec(spec, { attached: [], edits })).toThrow(expect.objectContaining({ kind: "invalid-argument" }));
});

test("a container without devices keeps its spec, and gives later updates no device", () => {
  expect(guestSpec(spec, { attached: [], edits: undefined })).toBe(spec);
  expect(givenDevices(spec, { attached: [], edits: undefined })).toEqual([]);
});

test("a container has the node of a CDI device, with a rule for later updates", () => {
  const found = { attached: [], edits: { ...NO_EDITS, nodes: [node] } };
  expect(guestSpec(spec, found).linux.devices).toMatchObject([{ path: "/dev/x", major: 10, minor: 3 }]);
  expect(givenDevices(spec, found)).toEqual([{ type: "c", major: 10, minor: 3, access: "rw" }]);
});

test("a named user is replaced by the numbers of the container's own files, and the rest of the process stays", async () => {
  const root = mkdtempSync(join(tmpdir(), "guestd-pod-spec-"));
  mkdirSync(join(root, "etc"));
  writeFileSync(join(root, "etc/passwd"), "ann:x:1001:1002::/:\n");
  const placed = testSpec({ root: { path: root, readonly: false } });
  const named = { uid: "ann", gid: "", additionalGids: [] };
  const user = { uid: 1001, gid: 1002, additionalGids: [] };
  try {
    const made = await withUser(testKernel(), "c1", placed, named);
    expect(made).toEqual({ ...placed, process: { ...placed.process, user } });
    expect(await withUser(testKernel(), "c1", placed, undefined)).toBe(placed);
  } finally {
    rmSync(root, { recursive: true });
  }
});
