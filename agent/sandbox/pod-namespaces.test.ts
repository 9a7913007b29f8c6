import { expect, test } from "vitest";
import { type PodNamespaces, podNamespaces } from "./pod-namespaces.ts";

const given = [
  { type: "ipc", path: "" },
  { type: "uts", path: "" },
  { type: "mnt", path: "" },
  { type: "pid", path: "" },
];

test("a container gets the sandbox's ipc and uts, a new pid namespace, and keeps the rest", () => {
  expect(podNamespaces(given, { sharePid: false, pidPath: "/p" })).toEqual([
    { type: "ipc", path: "/run/sandbox-ns/ipc" },
    { type: "uts", path: "/run/sandbox-ns/uts" },
    { type: "mnt", path: "" },
    { type: "pid", path: "" },
    { type: "cgroup", path: "" },
  ]);
});

test("a container with a uts namespace of its own shares only ipc", () => {
  const list = podNamespaces(given, { sharePid: false, ownUts: true, pidPath: undefined });
  expect(list.slice(0, 2)).toEqual([
    { type: "ipc", path: "/run/sandbox-ns/ipc" },
    { type: "uts", path: "" },
  ]);
});

test("a namespace by path is kept, also ipc and uts", () => {
  const list = ["ipc", "uts", "net"].map((type) => ({ type, path: `/proc/9/ns/${type}` }));
  expect(podNamespaces(list, { sharePid: false, pidPath: undefined }).slice(0, 3)).toEqual(list);
});

test("a pid namespace by path is kept unless the request shares the sandbox's", () => {
  const list = [{ type: "pid", path: "/proc/9/ns/pid" }];
  const pids = (pod: PodNamespaces) => podNamespaces(list, pod).filter(({ type }) => type === "pid");
  expect(pids({ sharePid: false, pidPath: "/p" })).toEqual(list);
  expect(pids({ sharePid: true, pidPath: "/p" })).toEqual([{ type: "pid", path: "/p" }]);
});

test("every container gets its own cgroup namespace, even if the host removed it from the list", () => {
  const cgroups = (list: { type: string; path: string }[]) =>
    podNamespaces(list, { sharePid: false, pidPath: undefined }).filter(({ type }) => type === "cgroup");
  expect(cgroups([])).toEqual([{ type: "cgroup", path: "" }]);
  expect(cgroups([{ type: "cgroup", path: "/given" }])).toEqual([{ type: "cgroup", path: "/given" }]);
});

test("a container that shares pids joins the first container's namespace", () => {
  const shared = podNamespaces([], { sharePid: true, pidPath: "/p" });
  expect(shared).toContainEqual({ type: "pid", path: "/p" });
});

test("the first container creates the pid namespace", () => {
  const first = podNamespaces([], { sharePid: true, pidPath: undefined });
  expect(first).toContainEqual({ type: "pid", path: "" });
});
