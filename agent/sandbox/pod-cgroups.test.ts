import { existsSync, mkdirSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { realFiles } from "../kernel/files.ts";
import { afterDeath } from "./testing/after-death.ts";
import { containerRequest, endPod, inPod, inPodDirectory, makePod, never, openPod } from "./testing/test-pod.ts";

inPodDirectory();
// libuv keeps the descriptor that its first watch opens.
watch(import.meta.dirname, { persistent: false }).close();

const at = (path: string) => (path.startsWith("/run/") ? inPod(path) : path);
const isCgroup = (path: string) => path.startsWith(inPod("cgroup/"));

/** Files in which a new cgroup has the given ones, and goes with them. `removed` gets the contents of its cgroup.kill. */
function cgroupFiles(texts: Readonly<Record<string, string>>, removed: string[] = []) {
  const makeDirectory = (path: string, mode?: number) => {
    realFiles.makeDirectory(at(path), mode);
    if (!isCgroup(path)) return;
    const all = { "cgroup.controllers": "", "cgroup.subtree_control": "", ...texts };
    for (const [name, text] of Object.entries(all)) writeFileSync(join(path, name), text);
  };
  const removeDirectory = (path: string) => {
    if (!isCgroup(path)) return realFiles.removeDirectory(at(path));
    if (existsSync(join(path, "cgroup.kill"))) removed.push(readFileSync(join(path, "cgroup.kill"), "utf8"));
    rmSync(path, { recursive: true });
  };
  return { makeDirectory, removeDirectory };
}

test("a guest has the cgroup of all containers before the first of them", async () => {
  const all = await makePod({ options: { isGuest: true } });
  expect(existsSync(inPod("cgroup/containers"))).toBe(true);
  await endPod(all);
});

test("in a guest a container's memory is limited, also after the guest's memory has changed", async () => {
  const all = await makePod({ files: cgroupFiles({ "memory.max": "max" }), options: { isGuest: true } });
  await all.sandbox.createContainer(containerRequest("c1"));
  const file = inPod("cgroup/containers/c1/memory.max");
  const limit = readFileSync(file, "utf8");
  expect(limit).toMatch(/^\d+$/);
  writeFileSync(file, "7");
  all.sandbox.followMemory();
  expect(readFileSync(file, "utf8")).toBe(limit);
  await endPod(all);
});

test("an OOM kill in a new container is reported and recorded", async () => {
  const all = await makePod({ files: cgroupFiles({ "memory.events": "oom_kill 0\n" }) });
  await all.sandbox.createContainer(containerRequest("c1"));
  writeFileSync(inPod("cgroup/c1/memory.events"), "oom_kill 1\n");
  expect(await all.sandbox.oomEvents.next(never)).toBe("c1");
  expect(JSON.parse(readFileSync(inPod("state/containers/c1.json"), "utf8"))).toMatchObject({ oomKills: 1 });
  await endPod(all);
});

test("processes that a dead agent left in a container without a first process are killed with its cgroup", async () => {
  const killed: string[] = [];
  const all = await makePod();
  await all.sandbox.createContainer(containerRequest("c1"));
  const { greeting, sys } = afterDeath(all);
  for (const { pidfd = -1, kept } of greeting.processes ?? [])
    for (const fd of [pidfd, ...Object.values(kept)]) all.kernel.sys.close(fd);
  mkdirSync(inPod("cgroup/c1"), { recursive: true });
  writeFileSync(inPod("cgroup/c1/cgroup.kill"), "");
  const next = openPod({ greeting: { ...greeting, processes: [] }, sys, files: cgroupFiles({}, killed) });
  await next.sandbox.undone;
  expect(killed).toEqual(["1"]);
  await endPod(next);
});
