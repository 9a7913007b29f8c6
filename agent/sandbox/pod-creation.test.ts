import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { AgentError } from "../kernel/error.ts";
import type { ChildDouble } from "../kernel/testing/init-double.ts";
import { type StepEvent, steps } from "../kernel/wait/traced-step.ts";
import { FoundDevices } from "./testing/found-devices.ts";
import {
  containerRequest,
  endPod,
  hooksEnd,
  inPod,
  inPodDirectory,
  left,
  makePod,
  never,
  recordOf,
} from "./testing/test-pod.ts";

inPodDirectory();

const labelOf = ({ request }: ChildDouble) => JSON.parse(request.label);
const shared = { name: "data", source: "c1", sourcePath: "/data", path: "/mnt" };
const hook = { path: "/bin/hook", args: ["hook"], env: [], timeout: 10 };
/** Collects the steps of calls until the end of the test. */
function tracedSteps(): StepEvent[] {
  const events: StepEvent[] = [];
  const add = (event: unknown) => void events.push(event as StepEvent);
  steps.subscribe(add);
  onTestFinished(() => void steps.unsubscribe(add));
  return events;
}

const STEPS = ["attach devices", "mount storages", "make cgroup", "launch process", "share mounts"];

test("the steps of a creation are traced under their documented names", async () => {
  const events = tracedSteps();
  const all = await makePod();
  await all.sandbox.createContainer(containerRequest("c1"));
  expect(events.map(({ name }) => name)).toEqual(STEPS);
  await endPod(all);
});

test("a container has the edits of a CDI device that it requests, which are found in a step of their own", async () => {
  mkdirSync(inPod("cdi"));
  const devices = [{ name: "0", containerEdits: { env: ["GPU=1"] } }];
  writeFileSync(inPod("cdi/a.json"), JSON.stringify({ cdiVersion: "0.6.0", kind: "a.b/c", devices }));
  const events = tracedSteps();
  const all = await makePod({ options: { cdi: { directories: [inPod("cdi")] } } });
  const { spec, ...rest } = containerRequest("c1");
  const annotations = { "cdi.k8s.io/gpu": "a.b/c=0" };
  const container = await all.sandbox.createContainer({ ...rest, spec: { ...spec, annotations } });
  expect(container.spec.process.env).toContain("GPU=1");
  expect(events.map(({ name }) => name)).toEqual(["find CDI devices", ...STEPS]);
  await endPod(all);
});

test("a container without hooks and devices has no bundle, and no devices in its record", async () => {
  const all = await makePod();
  await all.sandbox.createContainer(containerRequest("c1"));
  expect(existsSync(inPod("run/kata-containers/c1"))).toBe(false);
  expect(recordOf("c1")).not.toHaveProperty("devices");
  await endPod(all);
});

test.each([
  ["hooks of its creation", { hooks: { createRuntime: [hook] } }, []],
  ["another container's mounts", {}, [shared]],
])(
  "the record of a container with %s says until the end that its creation takes several steps",
  async (_, parts, sharedMounts) => {
    const records: unknown[] = [];
    let last: ChildDouble | undefined;
    const play = (child: ChildDouble) => {
      if (labelOf(child).container === "c2") records.push(recordOf("c2"));
      hooksEnd(child);
      // Its hooks run while a container's process waits, which then goes on to the next wait.
      if (labelOf(child).command === "hook") last?.report({ kind: "ready" });
      last = child;
    };
    const readAtMost = async () => "1 2 0:1 / /data rw - tmpfs tmpfs rw\n";
    const all = await makePod({ play, files: { readAtMost } });
    await all.sandbox.createContainer(containerRequest("c1"));
    const { spec, ...rest } = containerRequest("c2");
    await all.sandbox.createContainer({ ...rest, spec: { ...spec, ...parts }, sharedMounts });
    expect(records).toMatchObject([{ creating: true }, { creating: true }]);
    expect(recordOf("c2")).not.toHaveProperty("creating");
    const commands = all.kernel.init.children.map((child) => labelOf(child).command).filter(Boolean);
    expect(commands).toEqual([sharedMounts.length > 0 ? "share" : "hook"]);
    await endPod(all);
  },
);

test.each([
  ["an id that can't be a file name", { id: "a/b" }, /^Invalid container id "a\/b"/],
  ["a shared mount with a relative path", { sharedMounts: [{ ...shared, path: "mnt" }] }, /^shared mount data: path/],
])("%s is refused before anything is created", async (_, parts, message) => {
  const all = await makePod();
  const creating = all.sandbox.createContainer({ ...containerRequest("c1"), ...parts });
  await expect(creating).rejects.toMatchObject({
    kind: "invalid-argument",
    message: expect.stringMatching(message),
  });
  expect([left(all.mounts), all.kernel.init.children]).toEqual([[[], [], 0], []]);
  await endPod(all);
});

class MissingDevices extends FoundDevices {
  override async attach(): Promise<never> {
    throw new Error("no disk came");
  }
}

test("a creation whose devices don't come leaves nothing", async () => {
  const all = await makePod({ options: { devices: new MissingDevices() } });
  await expect(all.sandbox.createContainer(containerRequest("c1"))).rejects.toThrow("no disk came");
  expect([left(all.mounts), all.sandbox.containers]).toEqual([[[], [], 0], []]);
  await endPod(all);
});

test("a creation whose shared mount is missing ends its process and leaves nothing", async () => {
  const all = await makePod();
  const request = { ...containerRequest("c1"), sharedMounts: [{ ...shared, source: "none" }] };
  await expect(all.sandbox.createContainer(request)).rejects.toThrow('no container "none" runs');
  expect(all.kernel.signals).toEqual([[process.pid, 9]]);
  expect([left(all.mounts), all.sandbox.containers]).toEqual([[[], [], 0], []]);
  await endPod(all);
});

test("a creation that fails just after its process exists ends it and leaves nothing", async () => {
  const all = await makePod();
  const onReady = () => {
    throw new Error("not ready");
  };
  await expect(all.sandbox.createContainer({ ...containerRequest("c1"), onReady })).rejects.toThrow("not ready");
  expect(all.kernel.signals).toEqual([[process.pid, 9]]);
  expect([left(all.mounts), all.sandbox.containers]).toEqual([[[], [], 0], []]);
  await endPod(all);
});

test("a creation that init refuses runs the container's last hooks", async () => {
  const all = await makePod({ play: hooksEnd });
  all.kernel.init.refuse(new AgentError("unavailable", "no room"));
  const { spec, ...rest } = containerRequest("c1");
  const creating = all.sandbox.createContainer({ ...rest, spec: { ...spec, hooks: { poststop: [hook] } } });
  await expect(creating).rejects.toThrow("no room");
  expect(all.kernel.init.children.map((child) => labelOf(child).command)).toEqual(["hook"]);
  await endPod(all);
});

test("a container whose id is being removed is created, and removed again, after that", async () => {
  const order: string[] = [];
  const gate = Promise.withResolvers<void>();
  const umount = async (target: string) => {
    if (target !== "/run/e") return;
    order.push("unmount");
    await gate.promise;
    order.push("unmounted");
  };
  const mount = async (_: string, target: string) => void (target === "/run/e" && order.push("mount"));
  const all = await makePod({ sys: { mount, umount } });
  await all.sandbox.createContainer(containerRequest("c1"));
  const removing = all.sandbox.removeContainer("c1", never);
  await expect.poll(() => order).toContain("unmount");
  const again = all.sandbox.removeContainer("c1", never);
  const creating = all.sandbox.createContainer(containerRequest("c1"));
  await new Promise(setImmediate);
  expect(order).toEqual(["mount", "unmount"]);
  gate.resolve();
  await Promise.all([removing, again, creating]);
  expect(order).toEqual(["mount", "unmount", "unmounted", "mount"]);
  await endPod(all);
});

test("a removed container isn't found, and an exec in it is refused", async () => {
  const all = await makePod();
  const container = await all.sandbox.createContainer(containerRequest("c1"));
  await all.sandbox.removeContainer("c1", never);
  expect(all.sandbox.find("c1")).toBeUndefined();
  const exec = all.sandbox.exec({ container, execId: "x", process: container.spec.process }, never);
  await expect(exec).rejects.toBeInstanceOf(AgentError);
  await endPod(all);
});

test.each([
  ["may trace", ["CAP_SYS_PTRACE"], 1],
  ["may not trace", ["CAP_CHOWN"], 0],
])(
  "an exec beside a container that %s forks %j: once it has dropped its privileges, %i times",
  async (_, names, forks) => {
    const all = await makePod();
    const { spec, ...rest } = containerRequest("c1");
    const capabilities = { bounding: names, effective: names, permitted: names, inheritable: [], ambient: [] };
    await all.sandbox.createContainer({ ...rest, spec: { ...spec, process: { ...spec.process, capabilities } } });
    const container = await all.sandbox.createContainer({ ...containerRequest("c2"), sharePid: true });
    await all.sandbox.exec({ container, execId: "x", process: spec.process }, never);
    const plan = all.kernel.init.children.at(-1)?.request.plan ?? [];
    expect(plan.filter(({ op }) => op === "fork")).toHaveLength(forks);
    await endPod(all);
  },
);
