import { closeSync, existsSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { afterDeath, FIRST_ID } from "./testing/after-death.ts";
import {
  containerRequest,
  endPod,
  inPod,
  inPodDirectory,
  left,
  makePod,
  never,
  openPod,
  recordOf,
  recordPath,
  sandboxRequest,
} from "./testing/test-pod.ts";

inPodDirectory();
// libuv keeps the descriptor that its first watch opens.
watch(import.meta.dirname, { persistent: false }).close();

const changeRecord = (id: string, change: object) =>
  writeFileSync(recordPath(id), JSON.stringify({ ...recordOf(id), ...change }));

/** Creates a pod with containers, and plays its agent's death. */
async function deadPod(...ids: string[]) {
  const all = await makePod();
  for (const id of ids) await all.sandbox.createContainer(containerRequest(id));
  return { calls: all.kernel.init.calls, ...afterDeath(all) };
}

test("the next agent has the pod with its containers, and removes them", async () => {
  const next = openPod(await deadPod("c1", "c2"));
  const { sandbox } = next;
  await sandbox.undone;
  expect([sandbox.exists, sandbox.id, sandbox.containers.map(({ id }) => id)]).toEqual([true, "s", ["c1", "c2"]]);
  expect(sandbox.find("c1")?.init.pid).toBe(process.pid);
  await expect(sandbox.create(sandboxRequest())).rejects.toMatchObject({
    kind: "already-exists",
    message: 'create sandbox: sandbox "s" already exists',
  });
  await endPod(next);
  expect(left([])).toEqual([[], [], 0]);
  expect(existsSync(inPod("state/sandbox.json"))).toBe(false);
});

test("a container of the next agent has a launch id of its own", async () => {
  const next = openPod(await deadPod("c1", "c2"));
  await next.sandbox.undone;
  await next.sandbox.createContainer(containerRequest("c3"));
  const [child] = next.kernel.init.children;
  expect(child?.request.id).toBeGreaterThan(FIRST_ID + 1);
  child?.end();
  await endPod(next);
});

test("a storage that two restored containers use is unmounted with the second one", async () => {
  const next = openPod(await deadPod("c1", "c2"));
  await next.sandbox.undone;
  await next.sandbox.removeContainer("c1", never);
  expect(next.mounts).toEqual([]);
  await next.sandbox.removeContainer("c2", never);
  expect(next.mounts).toEqual(["-/run/e"]);
  await endPod(next);
});

test("a container whose process is gone is removed, with all it had", async () => {
  const { greeting, sys } = await deadPod("c1", "c2");
  const [gone, ...processes] = greeting.processes ?? [];
  for (const fd of [gone?.pidfd, ...Object.values(gone?.kept ?? {})]) if (fd !== undefined) closeSync(fd);
  const next = openPod({ greeting: { ...greeting, processes }, sys });
  await next.sandbox.undone;
  expect(next.sandbox.containers.map(({ id }) => id)).toEqual(["c2"]);
  expect(left(next.mounts).slice(0, 2)).toEqual([["c2"], ["c2.json"]]);
  await endPod(next);
});

test("the only container's pid namespace is kept for the pod, if the agent died before it was deposited", async () => {
  const { greeting, sys } = await deadPod("c1");
  const [fd = -1] = greeting.deposits?.values() ?? [];
  const next = openPod({ greeting: { ...greeting, deposits: new Map() }, sys });
  next.kernel.sys.close(fd);
  await next.sandbox.undone;
  expect(next.kernel.init.calls.map(([call, name]) => [call, name])).toEqual([["deposit", "sandbox-pidns"]]);
  await endPod(next);
});

test("containers that were frozen for another one's creation are thawed, and their record says so", async () => {
  const dead = await deadPod("c1", "c2");
  changeRecord("c1", { held: true });
  for (const id of ["c1", "c2"]) {
    writeFileSync(inPod(`cgroup/${id}/cgroup.freeze`), "1");
    writeFileSync(inPod(`cgroup/${id}/cgroup.events`), "populated 1\nfrozen 0\n");
  }
  const next = openPod(dead);
  await next.sandbox.undone;
  const frozen = (id: string) => readFileSync(inPod(`cgroup/${id}/cgroup.freeze`), "utf8");
  expect([frozen("c1"), frozen("c2")]).toEqual(["0", "1"]);
  expect(next.sandbox.find("c1")?.paused).toBe(false);
  expect(next.sandbox.find("c2")?.paused).toBe(true);
  expect([recordOf("c1").held, recordOf("c2").held]).toEqual([false, undefined]);
  for (const id of ["c1", "c2"]) for (const name of ["freeze", "events"]) rmSync(inPod(`cgroup/${id}/cgroup.${name}`));
  await endPod(next);
});

test("OOM kills while no agent ran are reported once, by whichever agent comes first", async () => {
  const dead = await deadPod("c1");
  const events = inPod("cgroup/c1/memory.events");
  writeFileSync(events, "oom 3\noom_kill 2\n");
  const next = openPod(dead);
  await next.sandbox.undone;
  expect(await next.sandbox.oomEvents.next(never)).toBe("c1");
  expect(recordOf("c1").oomKills).toBe(2);
  const third = openPod(afterDeath(next));
  await third.sandbox.undone;
  const waiting = third.sandbox.oomEvents.next(never);
  third.sandbox.oomEvents.close();
  await expect(waiting).rejects.toThrow("the sandbox has ended");
  rmSync(events);
  await endPod(third);
});

test("a discarded pod is gone, and discarding none changes nothing", async () => {
  const next = openPod(await deadPod("c1"));
  expect(await next.sandbox.discard()).toBe(true);
  expect(left([])).toEqual([[], [], 0]);
  expect(await openPod().sandbox.discard()).toBe(false);
});

test("no pid namespace is kept for a pod of several containers of which none was deposited", async () => {
  const { greeting, sys } = await deadPod("c1", "c2");
  const [fd = -1] = greeting.deposits?.values() ?? [];
  const next = openPod({ greeting: { ...greeting, deposits: new Map() }, sys });
  next.kernel.sys.close(fd);
  await next.sandbox.undone;
  expect(next.kernel.init.calls.filter(([call]) => call === "deposit")).toEqual([]);
  await endPod(next);
});

test("an exec in a restored container forks last, because earlier execs may trace it", async () => {
  const next = openPod(await deadPod("c1"));
  await next.sandbox.undone;
  const [container] = next.sandbox.containers;
  if (container === undefined) throw new Error("no container was restored");
  await next.sandbox.exec({ container, execId: "x", process: container.spec.process }, never);
  const [child] = next.kernel.init.children;
  expect(child?.request.plan.map(({ op }) => op)).toContain("fork");
  child?.end();
  await endPod(next);
});
