import { expect, test } from "vitest";
import { compileCreate } from "../container/plan/compile-create.ts";
import { testSpec } from "../container/testing/test-spec.ts";
import type { FoundEdits } from "../device/cdi/cdi-devices.ts";
import { cdiDevices, cdiHooks, withCdi } from "./with-cdi.ts";

const NONE: FoundEdits = { env: [], nodes: [], mounts: [], hooks: [], gids: [] };
const from = "CDI device a.b/c=0";
const node = { path: "/dev/x", type: "c", major: 1, minor: 3, access: "rw", from };
const mount = { source: "/lib/a", destination: "/opt/a", type: "bind", options: ["ro", "rbind"], from };
const plain = testSpec();
const spec = { ...plain, process: { ...plain.process, user: { uid: 7, gid: 8, additionalGids: [9] } } };

test("a node belongs to the user, with the access that the file grants", () => {
  const { linux } = withCdi(spec, { ...NONE, nodes: [node, { ...node, path: "/dev/y", mode: 0o600, uid: 0, gid: 0 }] });
  expect(linux.devices.slice(-2)).toEqual([
    { path: "/dev/x", type: "c", major: 1, minor: 3, mode: 0o666, uid: 7, gid: 8 },
    { path: "/dev/y", type: "c", major: 1, minor: 3, mode: 0o600, uid: 0, gid: 0 },
  ]);
  expect(linux.resources.devices?.at(-1)).toEqual({ allow: true, type: "c", major: 1, minor: 3, access: "rw" });
});

test("an edit replaces an item of the same name or path, and the last one wins", () => {
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

test("a spec names the device that a node or mount comes from", () => {
  const first = { path: "/dev/first", type: "c", major: 1, minor: 5, mode: 0o666, uid: 0, gid: 0 };
  const given = { ...spec, linux: { ...spec.linux, devices: [first] } };
  const { steps } = compileCreate(withCdi(given, { ...NONE, nodes: [node], mounts: [mount] }), {
    env: [],
    hasLabel: () => false,
  });
  const reasons = new Set(steps.map(({ reason }) => reason).filter((reason) => reason.endsWith(from)));
  expect([...reasons]).toEqual([`mounts[${spec.mounts.length}] of ${from}`, `linux.devices[1] of ${from}`]);
});

test("an unbuffered device has the rule of a character device, and a fifo has none", () => {
  const nodes = ["b", "c", "u", "p"].map((type, minor) => ({ ...node, type, minor }));
  const devices = ["b", "c", "c"].map((type, minor) => ({ type, major: 1, minor, access: "rw" }));
  expect(cdiDevices({ ...NONE, nodes })).toEqual(devices);
  const { linux } = withCdi(spec, { ...NONE, nodes: nodes.map((it) => ({ ...it, path: `/dev/${it.type}` })) });
  expect(linux.resources.devices).toEqual([
    ...(spec.linux.resources.devices ?? []),
    ...devices.map((device) => ({ allow: true, ...device })),
  ]);
});

test("hooks are grouped by kind, and an unknown kind is refused", () => {
  const hook = { kind: "createContainer", path: "/h", args: ["h"], env: [], from };
  const run = { path: "/h", args: ["h"], env: [], timeout: 10 };
  expect(cdiHooks(NONE)).toBeUndefined();
  expect(cdiHooks({ ...NONE, hooks: [hook, { ...hook, kind: "poststop", timeout: 3 }] })).toEqual({
    createContainer: [run],
    poststop: [{ ...run, timeout: 3 }],
  });
  const kinds = "prestart, createRuntime, createContainer, startContainer, poststart, poststop";
  const long = "n".repeat(80);
  for (const kind of [long, `${long}n`]) {
    const message = `${from}: hook "${long}" is none of ${kinds}`;
    expect(() => cdiHooks({ ...NONE, hooks: [{ ...hook, kind }] })).toThrow(
      expect.objectContaining({ kind: "internal", message }),
    );
  }
});
