import { expect, test } from "vitest";
import { CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUTS } from "../../kernel/constants.ts";
import { sortNamespaces } from "./namespaces.ts";

const space = (type: string, path = "") => ({ type, path });

test("new ones are flags, and the pid namespace stands apart", () => {
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
  const { refused, twice } = sortNamespaces([space("vm"), space("mnt", "/m"), space("net"), space("network", "/n")]);
  expect(refused).toEqual(["vm", "mnt by path"]);
  expect(twice).toEqual(["network"]);
});

test("user and time namespaces stand apart, for each has its own way to be made", () => {
  expect(sortNamespaces([space("user"), space("time")])).toMatchObject({ create: 0, user: "", newTime: true });
  const byPath = sortNamespaces([space("user", "/u"), space("time", "/t")]);
  expect(byPath).toMatchObject({ user: "/u", newTime: false, join: [{ path: "/t", type: "time" }] });
});
