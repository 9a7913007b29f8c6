import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { SystemError } from "../kernel/error.ts";
import type { ChildDouble } from "../kernel/testing/init-double.ts";
import { FoundDevices } from "./testing/found-devices.ts";
import {
  containerRequest,
  endPod,
  inPod,
  inPodDirectory,
  left,
  makePod,
  never,
  openPod,
  sandboxRequest,
} from "./testing/test-pod.ts";

inPodDirectory();

test.each([
  ["h".repeat(80), "h".repeat(64)],
  ["é".repeat(40), "é".repeat(32)],
  [`h${"é".repeat(40)}`, `h${"é".repeat(31)}`],
])("a host name is cut to 64 bytes: %s", async (hostname, cut) => {
  const all = await makePod();
  await all.sandbox.destroy(never);
  const names: string[] = [];
  all.kernel.sys.sethostname = (name) => void names.push(name);
  await all.sandbox.create({ ...sandboxRequest(), hostname });
  expect(names).toEqual([cut]);
  await endPod(all);
});

test("a removed container leaves nothing, and its id and cgroup are free", async () => {
  const all = await makePod();
  await all.sandbox.createContainer(containerRequest("c1"));
  expect(left(all.mounts)).toEqual([["c1"], ["c1.json"], 1]);
  await all.sandbox.removeContainer("c1", never);
  expect(left(all.mounts)).toEqual([[], [], 0]);
  await all.sandbox.createContainer(containerRequest("c1"));
  await endPod(all);
});

test.each([
  ["the launch is refused", {}],
  ["its pid namespace can't be opened after the launch", { pid: 2 ** 22 + 1 }],
])("a creation of which %s leaves nothing", async (what, parts) => {
  const all = await makePod(parts);
  if (what.includes("refused")) all.kernel.init.refuse(new Error("refused"));
  await expect(all.sandbox.createContainer(containerRequest("c1"))).rejects.toThrow(/refused|ENOENT/);
  expect([left(all.mounts), all.sandbox.containers]).toEqual([[[], [], 0], []]);
  await endPod(all);
});

test("an unsupported spec is refused before anything is created", async () => {
  const all = await makePod();
  const { spec, ...rest } = containerRequest("c1");
  const wrong = { ...rest, spec: { ...spec, unsupported: ["linux.intelRdt"] } };
  await expect(all.sandbox.createContainer(wrong)).rejects.toThrow("OCI spec: linux.intelRdt is not supported");
  expect(all.mounts.filter((line) => line.endsWith("/run/e"))).toEqual([]);
  expect(left(all.mounts)).toEqual([[], [], 0]);
  await endPod(all);
});

test("an id that is in use, by a container or a creation, is refused", async () => {
  const all = await makePod();
  const creating = all.sandbox.createContainer(containerRequest("c1"));
  const again = () => all.sandbox.createContainer(containerRequest("c1"));
  await expect(again()).rejects.toMatchObject({
    kind: "already-exists",
    message: "create container c1: the id already exists",
  });
  await creating;
  await expect(again()).rejects.toThrow("the id already exists");
  await endPod(all);
});

test("a creation that its caller cancels is rolled back", async () => {
  const all = await makePod({ play: () => {} });
  const patience = new AbortController();
  const creating = all.sandbox.createContainer(containerRequest("c1"), patience.signal);
  await new Promise((resolve) => setTimeout(resolve, 20));
  patience.abort(new Error("deadline"));
  await expect(creating).rejects.toThrow("deadline");
  expect(left(all.mounts)).toEqual([[], [], 0]);
  await endPod(all);
});

test("an update is written for the next agent, and a later removal leaves nothing", async () => {
  const all = await makePod();
  await all.sandbox.createContainer(containerRequest("c1"));
  writeFileSync(inPod("cgroup/c1/pids.max"), "");
  all.sandbox.updateContainer("c1", { pids: { limit: 5 } });
  const { spec } = JSON.parse(readFileSync(inPod("state/containers/c1.json"), "utf8"));
  expect(spec.linux.resources).toEqual({ pids: { limit: 5 } });
  expect(all.sandbox.find("c1")?.spec.linux.resources).toEqual({ pids: { limit: 5 } });
  expect(() => all.sandbox.updateContainer("c1", { cpu: { shares: 7 } })).toThrow("set cpu.weight of cgroup");
  expect(all.sandbox.find("c1")?.spec.linux.resources).toEqual({ pids: { limit: 5 } });
  rmSync(inPod("cgroup/c1/pids.max"));
  await endPod(all);
  expect(left(all.mounts)).toEqual([[], [], 0]);
});

test("a cgroup can belong to one container only", async () => {
  const all = await makePod();
  await all.sandbox.createContainer(containerRequest("c1", { cgroupsPath: "/same" }));
  const message = `create container c2: the cgroup ${inPod("cgroup/same")} is another container's`;
  const second = all.sandbox.createContainer(containerRequest("c2", { cgroupsPath: "/same" }));
  await expect(second).rejects.toMatchObject({ kind: "already-exists", message });
  expect(left(all.mounts)).toEqual([["same"], ["c1.json"], 1]);
  await endPod(all);
});

test("two concurrent removals both wait until everything is removed", async () => {
  const all = await makePod();
  await all.sandbox.createContainer(containerRequest("c1"));
  await Promise.all([all.sandbox.removeContainer("c1", never), all.sandbox.removeContainer("c1", never)]);
  expect(left(all.mounts)).toEqual([[], [], 0]);
  await expect(all.sandbox.removeContainer("c1", never)).rejects.toThrow('Invalid container id "c1"');
  await endPod(all);
});

test("a removal waits for a creation under way", async () => {
  const children: ChildDouble[] = [];
  const all = await makePod({ play: (child) => void children.push(child) });
  const creating = all.sandbox.createContainer(containerRequest("c1"));
  const removing = all.sandbox.removeContainer("c1", never);
  await expect.poll(() => children).toHaveLength(1);
  children[0]?.report({ kind: "ready" });
  await Promise.all([creating, removing]);
  expect(left(all.mounts)).toEqual([[], [], 0]);
  await endPod(all);
});

test("a container whose cgroup can't be removed yet can be removed later", async () => {
  const all = await makePod();
  await all.sandbox.createContainer(containerRequest("c1"));
  writeFileSync(inPod("cgroup/c1/busy"), "");
  await expect(all.sandbox.removeContainer("c1", never)).rejects.toThrow(/^rmdir \S+c1: ENOTEMPTY/);
  rmSync(inPod("cgroup/c1/busy"));
  await all.sandbox.removeContainer("c1", never);
  expect(left(all.mounts)).toEqual([[], [], 0]);
  await endPod(all);
});

test("destroying the sandbox removes all containers, including those being created, and refuses new ones", async () => {
  const children: ChildDouble[] = [];
  const all = await makePod({ play: (child) => void children.push(child) });
  const creating = all.sandbox.createContainer(containerRequest("c1"));
  await expect.poll(() => children).toHaveLength(1);
  const ending = all.sandbox.destroy(never);
  await new Promise((resolve) => setTimeout(resolve, 20));
  await expect(all.sandbox.createContainer(containerRequest("c2"))).rejects.toThrow("the sandbox is being destroyed");
  children[0]?.report({ kind: "ready" });
  await Promise.all([creating, ending]);
  expect([left(all.mounts), all.sandbox.containers]).toEqual([[[], [], 0], []]);
});

test("a sandbox whose creation failed leaves nothing and can be created again", async () => {
  const mounted: string[] = [];
  const all = await makePod();
  await all.sandbox.destroy(never);
  let failures = 1;
  all.kernel.sys.mount = async (_source, target) => {
    if (target === "/run/sandbox-ns/uts" && failures-- > 0) throw new SystemError("mount", 12, target);
    mounted.push(target);
  };
  const create = () => all.sandbox.create({ ...sandboxRequest(), id: "s2" });
  await expect(create()).rejects.toThrow("mount /run/sandbox-ns/uts: ENOMEM");
  expect(all.mounts).toContain("-/run/sandbox-ns/ipc");
  await create();
  expect(mounted).toEqual(["/run/sandbox-ns/ipc", "/run/sandbox-ns/ipc", "/run/sandbox-ns/uts"]);
  await all.sandbox.destroy(never);
  expect(existsSync(inPod("state/sandbox.json"))).toBe(false);
});

test("the pod can be destroyed once, even before it exists", async () => {
  const { sandbox } = await makePod();
  await sandbox.destroy(never);
  await expect(sandbox.destroy(never)).rejects.toMatchObject({
    kind: "internal",
    message: "destroy sandbox: it is destroyed already",
  });
  await openPod().sandbox.destroy(never);
});

test("a disk is mounted, or swapped to, at the path where its address leads", async () => {
  const sources: string[] = [];
  const swaps: string[] = [];
  const sys = {
    mount: async (source: string) => void sources.push(source),
    swapOn: async (path: string) => void swaps.push(path),
  };
  const all = openPod({ sys, options: { devices: new FoundDevices() } });
  const disk = { driverOptions: [], fstype: "ext4", options: ["ro"], mountPoint: "/run/d", shared: false };
  await all.sandbox.create({ ...sandboxRequest(), storages: [{ ...disk, driver: "blk", source: "02/03" }] });
  expect(sources).toContain("/dev/blk-02/03");
  await all.sandbox.addSwap("04", never);
  expect(swaps).toEqual(["/dev/blk-04"]);
  await endPod(all);
});

test("the guest is protected once, after the pod's storages are mounted", async () => {
  const parts = { events: [] as string[] };
  const all = openPod({ options: { protectGuest: () => void parts.events.push("protected") } });
  parts.events = all.mounts;
  await all.sandbox.create({ ...sandboxRequest(), storages: containerRequest("c1").storages });
  await all.sandbox.createContainer(containerRequest("c1"));
  expect(all.mounts.slice(-2)).toEqual(["+/run/e", "protected"]);
  await endPod(all);
});

test("no container can be created before the sandbox", async () => {
  const all = openPod();
  expect([all.sandbox.exists, all.sandbox.id]).toEqual([false, undefined]);
  await expect(all.sandbox.createContainer(containerRequest("c1"))).rejects.toMatchObject({
    kind: "failed-precondition",
    message: "create container c1: there is no sandbox, call CreateSandbox first",
  });
  await all.sandbox.destroy(never);
});

test("the end of the pod unmounts its storages and namespaces once, and ends the wait for OOM events", async () => {
  const all = openPod();
  const { storages } = containerRequest("c1");
  await all.sandbox.create({ ...sandboxRequest(), storages: [...storages, ...storages] });
  expect(JSON.parse(readFileSync(inPod("state/storages.json"), "utf8"))).toMatchObject([
    { mountPoint: "/run/e", container: "" },
  ]);
  all.mounts.length = 0;
  const waiting = all.sandbox.oomEvents.next(never);
  const ended = expect(waiting).rejects.toThrow("the sandbox has ended");
  await all.sandbox.destroy(never);
  await ended;
  expect(all.mounts.toSorted()).toEqual(["-/run/e", "-/run/sandbox-ns/ipc", "-/run/sandbox-ns/uts"]);
});

test("a pod whose end is cancelled, or that is created again after its end, takes new containers", async () => {
  const all = await makePod();
  await all.sandbox.createContainer(containerRequest("c1"));
  const cancelled = AbortSignal.abort(new Error("deadline"));
  await expect(all.sandbox.destroy(cancelled)).rejects.toThrow("deadline");
  await all.sandbox.createContainer(containerRequest("c2"));
  await all.sandbox.destroy(never);
  await all.sandbox.create(sandboxRequest());
  await all.sandbox.createContainer(containerRequest("c1"));
  await endPod(all);
});

test("an ephemeral mount that is not the sandbox's can't be updated", async () => {
  const all = await makePod();
  await expect(all.sandbox.updateEphemeral(containerRequest("c1").storages)).rejects.toThrow(
    'update ephemeral mounts: "/run/e" is not a storage of this sandbox',
  );
  await endPod(all);
});
