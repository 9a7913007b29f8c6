import { closeSync } from "node:fs";
import { expect, test } from "vitest";
import { CLONE_NEWIPC, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID } from "../../kernel/constants.ts";
import type { Fd, Sys } from "../../kernel/kernel.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import type { MountSpec, Spec } from "../spec.ts";
import { testKernel } from "../testing/test-kernel.ts";
import { testSpec } from "../testing/test-spec.ts";
import { openOwnMounts } from "./open-own-mounts.ts";

leavesNoDescriptors();
const real = openSys();
const ALL = [{ containerID: 0, hostID: 1000, size: 100 }];
const OWN = [{ containerID: 0, hostID: 7000, size: 10 }];

const mountOf = (type: string, source: string, options: string[] = [], parts: Partial<MountSpec> = {}): MountSpec => ({
  ...{ destination: `/${type}`, type, source, options },
  ...parts,
});

/** Opens the mounts with calls played by pipes, and closes them. Returns the calls and the slots by name. */
async function open(mounts: readonly MountSpec[], namespaces: Spec["linux"]["namespaces"], parts: Partial<Sys> = {}) {
  const calls: unknown[][] = [];
  const descriptor = () => {
    const { read, write } = real.pipe();
    real.close(write);
    return read;
  };
  const sys: Partial<Sys> = {
    async openTree(...args) {
      calls.push(["openTree", ...args]);
      return descriptor();
    },
    detachedMount(...args) {
      calls.push(["detachedMount", ...args]);
      return descriptor();
    },
    idmapMount: (_, user, ...args) => void calls.push(["idmapMount", user, ...args]),
    setns: (fd, flags) => void calls.push(["setns", fd, flags]),
    ...parts,
  };
  // Plays the process of a new user namespace.
  const kernel = testKernel({
    sys,
    pid: process.pid,
    play: (child) => {
      child.report({ kind: "ready" });
    },
    files: { writeText: (...args) => void calls.push(args) },
  });
  const slots = new Map<string, Fd>([
    ["ns:user", -7],
    ["ns:ipc", -8],
  ]);
  const spec = testSpec({ mounts, linux: { ...testSpec().linux, namespaces, uidMappings: [], gidMappings: [] } });
  try {
    await openOwnMounts(kernel, spec, slots);
    return { calls, names: [...slots.keys()].slice(2), kernel };
  } finally {
    for (const child of kernel.init.children) child.end();
    for (const fd of slots.values()) if (fd >= 0) closeSync(fd);
  }
}

const inUser = [{ type: "user", path: "" }];

test("binds of a container with a user namespace are opened by the agent, with the mounts below only for rbind", async () => {
  const mounts = [mountOf("bind", "/etc", ["bind"]), mountOf("proc", "proc"), mountOf("bind", "/run", ["rbind", "ro"])];
  const { calls, names } = await open(mounts, inUser);
  expect(calls).toEqual([
    ["openTree", "/etc", false],
    ["openTree", "/run", true],
  ]);
  expect(names).toEqual(["mount:0", "mount:2"]);
});

test("without a user namespace the agent opens only its devpts", async () => {
  const devpts = { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["gid=5"] };
  const { calls, names } = await open([mountOf("bind", "/etc", ["bind"]), devpts, mountOf("sysfs", "sysfs")], []);
  expect(names).toEqual(["mount:1"]);
  expect(calls.map(([name, type]) => [name, type])).toEqual([["detachedMount", "devpts"]]);
});

test("sysfs shows the joined network namespace, without the mounts below it", async () => {
  const joined = [...inUser, { type: "net", path: "/run/netns/pod" }];
  expect((await open([mountOf("sysfs", "sysfs")], joined)).calls).toEqual([["openTree", "/sys", false]]);
  expect((await open([mountOf("sysfs", "sysfs")], [...inUser, { type: "net", path: "" }])).calls).toEqual([]);
});

test("a mount's ids are mapped by its own mappings or by the container's user namespace", async () => {
  const own = { uidMappings: OWN, gidMappings: OWN };
  const mounts = [
    mountOf("bind", "/etc", ["bind", "ridmap"]),
    mountOf("bind", "/run", ["bind", "idmap"]),
    mountOf("bind", "/usr", ["bind"], own),
  ];
  const { calls, kernel } = await open(mounts, inUser);
  expect(calls).toEqual([
    ["openTree", "/etc", false],
    ["idmapMount", -7, true, "/etc"],
    ["openTree", "/run", false],
    ["idmapMount", -7, false, "/run"],
    ["openTree", "/usr", false],
    [`/proc/${process.pid}/uid_map`, "0 7000 10\n"],
    [`/proc/${process.pid}/gid_map`, "0 7000 10\n"],
    ["idmapMount", expect.any(Number), false, "/usr"],
  ]);
  expect(kernel.init.calls).toEqual([["forget", expect.any(Number)]]);
});

test.each([OWN, []])("mappings of groups alone (and %j of users) map a mount, too", async (...uidMappings) => {
  const mapped = mountOf("bind", "/usr", ["bind"], { uidMappings: uidMappings.flat(), gidMappings: ALL });
  expect((await open([mapped], inUser)).calls.at(-1)?.[0]).toBe("idmapMount");
});

test("a mount whose ids can't be mapped is closed, and the reason reported", async () => {
  const refuse = () => {
    throw new Error("EINVAL");
  };
  for (const uidMappings of [OWN, []]) {
    const mount = mountOf("bind", "/etc", ["bind", "idmap"], { uidMappings });
    await expect(open([mount], inUser, { idmapMount: refuse })).rejects.toThrow("EINVAL");
  }
});

test("a mount to be mapped by the container's user namespace requires one", async () => {
  const kernel = testKernel({
    sys: {
      openTree: async () => {
        const { read, write } = real.pipe();
        real.close(write);
        return read;
      },
    },
  });
  const spec = testSpec({ mounts: [mountOf("bind", "/etc", ["bind", "idmap"])] });
  await expect(openOwnMounts(kernel, spec, new Map())).rejects.toThrow("idmap of /bind: no user namespace");
});

test("message queues are those of the joined ipc namespace, which the agent leaves again", async () => {
  const joined = [...inUser, { type: "ipc", path: "/run/ipc" }];
  const { calls } = await open([mountOf("mqueue", "")], joined);
  expect(calls).toEqual([
    ["setns", -8, CLONE_NEWIPC],
    ["detachedMount", "mqueue", [["source", "mqueue"]], MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC],
    ["setns", expect.any(Number), CLONE_NEWIPC],
  ]);
  const given = await open([mountOf("mqueue", "queues", ["nodev"])], joined);
  expect(given.calls[1]).toEqual(["detachedMount", "mqueue", [["source", "queues"]], MOUNT_ATTR_NODEV]);
});

test("the agent leaves the ipc namespace even if the mount fails", async () => {
  const left: Fd[] = [];
  const refuse = () => {
    throw new Error("EPERM");
  };
  const joined = [...inUser, { type: "ipc", path: "/run/ipc" }];
  const parts = { detachedMount: refuse, setns: (fd: Fd) => void left.push(fd) };
  await expect(open([mountOf("mqueue", "")], joined, parts)).rejects.toThrow("EPERM");
  expect(left).toEqual([-8, expect.any(Number)]);
});

test("without a namespace to join, message queues are mounted where the agent is", async () => {
  const calls: string[] = [];
  const sys: Partial<Sys> = {
    setns: () => void calls.push("setns"),
    detachedMount: () => {
      calls.push("detachedMount");
      const { read, write } = real.pipe();
      real.close(write);
      return read;
    },
  };
  const namespaces = [...inUser, { type: "ipc", path: "/run/ipc" }];
  const spec = testSpec({ mounts: [mountOf("mqueue", "")], linux: { ...testSpec().linux, namespaces } });
  const slots = new Map<string, Fd>();
  await openOwnMounts(testKernel({ sys }), spec, slots);
  expect(calls).toEqual(["detachedMount"]);
  for (const fd of slots.values()) closeSync(fd);
});
