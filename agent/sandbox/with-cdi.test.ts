import { expect, test } from "vitest";
import { compileCreate } from "../container/plan/compile-create.ts";
import { testSpec } from "../container/testing/test-spec.ts";
import type { FoundEdits } from "../device/cdi/cdi-devices.ts";
import { cdiHooks, withCdi } from "./with-cdi.ts";

const NONE: FoundEdits = { env: [], nodes: [], mounts: [], hooks: [], gids: [] };
const from = "CDI device a.b/c=0";
const node = { path: "/dev/x", type: "c", major: 1, minor: 3, access: "rw", from };
const mount = { source: "/lib/a", destination: "/opt/a", type: "bind", options: ["ro", "rbind"], from };
const plain = testSpec();
const spec = { ...plain, process: { ...plain.process, user: { uid: 7, gid: 8, additionalGids: [9] } } };

test("a node is the user's, and may be used as the file says", () => {
  const { linux } = withCdi(spec, { ...NONE, nodes: [node, { ...node, path: "/dev/y", mode: 0o600, uid: 0, gid: 0 }] });
  expect(linux.devices.slice(-2)).toEqual([
    { path: "/dev/x", type: "c", major: 1, minor: 3, mode: 0o666, uid: 7, gid: 8 },
    { path: "/dev/y", type: "c", major: 1, minor: 3, mode: 0o600, uid: 0, gid: 0 },
  ]);
  expect(linux.resources.devices?.at(-1)).toEqual({ allow: true, type: "c", major: 1, minor: 3, access: "rw" });
});

test("what has the same name or path is replaced, the last of two counts", () => {
  const once = withCdi(spec, { ...NONE, nodes: [node], mounts: [mount], env: ["A=1", "B=2"], gids: [0, 9, 44] });
  const twice = withCdi(once, {
    ...NONE,
    nodes: [{ ...node, minor: 5 }],
    mounts: [{ ...mount, source: "/lib/b" }],
    env: ["A=3", "A=4"],
  });
  expect(twice.linux.devices.filter(({ path }) => path === "/dev/x")).toMatchObject([{ minor: 5 }]);
  expect(twice.mounts.filter(({ destination }) => destination === "/opt/a")).toMatchObject([{ source: "/lib/b" }]);
  expect(twice.process.env.filter((line) => /^[AB]=/.test(line))).toEqual(["B=2", "A=4"]);
  expect(twice.process.user.additionalGids).toEqual([9, 44]);
});

test("the plan says which device a node and a mount come from", () => {
  const { steps } = compileCreate(withCdi(spec, { ...NONE, nodes: [node], mounts: [mount] }), {
    env: [],
    hasLabel: () => false,
  });
  const reasons = new Set(steps.map(({ reason }) => reason).filter((reason) => reason.endsWith(from)));
  expect([...reasons]).toEqual([
    `mounts[${spec.mounts.length}] of ${from}`,
    `linux.devices[${spec.linux.devices.length}] of ${from}`,
  ]);
});

test("hooks come by kind; one of no kind is refused", () => {
  const hook = { kind: "createContainer", path: "/h", args: ["h"], env: [], from };
  const run = { path: "/h", args: ["h"], env: [], timeout: 10 };
  expect(cdiHooks(NONE)).toBeUndefined();
  expect(cdiHooks({ ...NONE, hooks: [hook, { ...hook, kind: "poststop", timeout: 3 }] })).toEqual({
    createContainer: [run],
    poststop: [{ ...run, timeout: 3 }],
  });
  expect(() => cdiHooks({ ...NONE, hooks: [{ ...hook, kind: "never" }] })).toThrow(`${from}: hook "never" is none of`);
});
