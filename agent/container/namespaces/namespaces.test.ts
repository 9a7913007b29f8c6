import { expect, test } from "vitest";
import { CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUTS } from "../../kernel/constants.ts";
import { sortNamespaces } from "./namespaces.ts";

const space = (type: string, path = "") => ({ type, path });

test("returns new namespaces as flags, and the pid namespace separately", () => {
  const sorted = sortNamespaces(["mount", "ipc", "pid", "cgroup"].map((type) => space(type)));
  expect(sorted).toEqual({
    create: CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWCGROUP,
    newPid: true,
    newTime: false,
    join: [],
    refused: [],
    twice: [],
  });
});

test("joins namespaces with a path, in order", () => {
  const sorted = sortNamespaces([space("uts", "/u"), space("network", "/n"), space("pid", "/p")]);
  expect(sorted.join).toEqual([
    { flag: CLONE_NEWUTS, path: "/u", type: "uts" },
    { flag: CLONE_NEWNET, path: "/n", type: "network" },
  ]);
  expect([sorted.pidPath, sorted.newPid]).toEqual(["/p", false]);
});

test("treats both hosts' names of a type the same", () => {
  expect(sortNamespaces([space("mnt"), space("net")])).toEqual(sortNamespaces([space("mount"), space("network")]));
});

test("lists unsupported and repeated types", () => {
  const { refused, twice } = sortNamespaces([space("vm"), space("mnt", "/m"), space("net"), space("network", "/n")]);
  expect(refused).toEqual(["vm", "mnt by path"]);
  expect(twice).toEqual(["network"]);
});

test("returns user and time namespaces separately, because each is created in its own way", () => {
  expect(sortNamespaces([space("user"), space("time")])).toMatchObject({ create: 0, user: "", newTime: true });
  const byPath = sortNamespaces([space("user", "/u"), space("time", "/t")]);
  expect(byPath).toMatchObject({ user: "/u", newTime: false, join: [{ path: "/t", type: "time" }] });
});
