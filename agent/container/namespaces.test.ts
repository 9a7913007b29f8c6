import { expect, test } from "vitest";
import { CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUTS } from "../kernel/constants.ts";
import { sortNamespaces } from "./namespaces.ts";

const space = (type: string, path = "") => ({ type, path });

test("new ones are flags, and the pid namespace stands apart", () => {
  const sorted = sortNamespaces(["mount", "ipc", "pid", "cgroup"].map((type) => space(type)));
  expect(sorted).toEqual({
    create: CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWCGROUP,
    newPid: true,
    join: [],
    refused: [],
  });
});

test("ones with a path are joined, in order", () => {
  const sorted = sortNamespaces([space("uts", "/u"), space("network", "/n"), space("pid", "/p")]);
  expect(sorted.join).toEqual([
    { flag: CLONE_NEWUTS, path: "/u", type: "uts" },
    { flag: CLONE_NEWNET, path: "/n", type: "network" },
  ]);
  expect([sorted.pidPath, sorted.newPid]).toEqual(["/p", false]);
});

test("both hosts' names of a type mean the same", () => {
  expect(sortNamespaces([space("mnt"), space("net")])).toEqual(sortNamespaces([space("mount"), space("network")]));
});

test("what can't be carried is named", () => {
  const { refused } = sortNamespaces([space("user"), space("time"), space("mnt", "/m")]);
  expect(refused).toEqual(["user", "time", "mnt by path"]);
});
