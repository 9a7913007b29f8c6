import { expect, test } from "vitest";
import type { Spec } from "../spec.ts";
import { testSpec } from "../testing/test-spec.ts";
import { explainAgent } from "./explain-agent.ts";

const explained = (parts: Partial<Spec>) =>
  explainAgent(testSpec(parts)).map(({ operation, object, reason }) => `${operation} ${object}, ${reason}`);

const ids = [{ containerID: 0, hostID: 100_000, size: 10 }];

test("for an ordinary container the agent mounts a devpts, and nothing else", () => {
  expect(explained({})).toEqual(["mount devpts (ptmxmode=0666, mode=0620, gid=5, max=256), as mount:2, mounts[2]"]);
  expect(explained({ mounts: [] })).toEqual([]);
});

test("a new user namespace is explained with its maps, and one by path is not created", () => {
  const { linux } = testSpec();
  const inUser = (path: string) => ({
    mounts: [],
    linux: { ...linux, namespaces: [{ type: "user", path }], uidMappings: ids, gidMappings: ids },
  });
  expect(explained(inUser(""))).toEqual([
    "unshare new user, in a separate process, linux.namespaces",
    "write 0 100000 10 to uid_map, linux.uidMappings",
    "write 0 100000 10 to gid_map, linux.gidMappings",
  ]);
  expect(explained(inUser("/u"))).toEqual([]);
});

test("an idmapped mount is explained with its own maps, or the container's", () => {
  const mount = { destination: "/m", source: "/s", type: "bind", options: ["rbind", "ridmap"] };
  expect(explained({ mounts: [{ ...mount, uidMappings: ids, gidMappings: ids }] })).toEqual([
    "bind (recursive) /s, as mount:0, mounts[0]",
    "unshare new user, in a separate process, mounts[0]",
    "write 0 100000 10 to uid_map, mounts[0].uidMappings",
    "write 0 100000 10 to gid_map, mounts[0].gidMappings",
    "idmap mount:0 by that user namespace, recursively, mounts[0]",
  ]);
  expect(explained({ mounts: [mount] }).at(-1)).toBe(
    "idmap mount:0 by the container's user namespace, recursively, mounts[0]",
  );
});

test("a terminal is explained with its size", () => {
  const process = { ...testSpec().process, terminal: true, consoleSize: { height: 30, width: 100 } };
  const steps = explained({
    process,
    mounts: [{ destination: "/dev/pts", source: "devpts", type: "devpts", options: [] }],
  });
  expect(steps).toEqual([
    "mount devpts (max=256), as mount:0, mounts[0]",
    "open a new pty, as terminal, process.terminal",
    "set size 30 rows, 100 columns, process.consoleSize",
  ]);
});

test("mounts that show a namespace of the pod are made by the agent for a container with a user namespace", () => {
  const { linux } = testSpec();
  const mount = (type: string) => ({ destination: `/${type}`, source: type, type, options: [] });
  const steps = explained({
    mounts: [mount("mqueue"), mount("sysfs")],
    linux: { ...linux, namespaces: [{ type: "user", path: "/u" }] },
  });
  expect(steps).toEqual(["mount mqueue, as mount:0, mounts[0]", "bind /sys, as mount:1, mounts[1]"]);
});

test("a namespace without maps has empty ones, and a mount of its own groups has no user namespace of its own", () => {
  const { linux } = testSpec();
  const inUser = explained({ mounts: [], linux: { ...linux, namespaces: [{ type: "user", path: "" }] } });
  expect(inUser.slice(1)).toEqual(["write  to uid_map, linux.uidMappings", "write  to gid_map, linux.gidMappings"]);
  const mount = { destination: "/m", source: "/s", type: "bind", options: ["bind", "idmap"], uidMappings: ids };
  expect(explained({ mounts: [mount] })).toEqual([
    "bind /s, as mount:0, mounts[0]",
    "unshare new user, in a separate process, mounts[0]",
    "write 0 100000 10 to uid_map, mounts[0].uidMappings",
    "write  to gid_map, mounts[0].gidMappings",
    "idmap mount:0 by that user namespace, mounts[0]",
  ]);
});

test("a terminal without a size keeps the kernel's", () => {
  const process = { ...testSpec().process, terminal: true };
  expect(explained({ process, mounts: [] })).toEqual(["open a new pty, as terminal, process.terminal"]);
});
