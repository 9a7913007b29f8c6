import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { realFiles } from "../kernel/files.ts";
import type { ChildDouble } from "../kernel/testing/init-double.ts";
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
  openPod,
  recordOf,
  sandboxRequest,
} from "./testing/test-pod.ts";

inPodDirectory();

/** The programs that init's children ran, by their launch plans. */
const ran = (children: readonly ChildDouble[]) =>
  children.flatMap(({ request: { plan } }) => plan.flatMap((op) => (op.op === "exec" ? [op] : [])));

/** A request for a container with a hook that runs after its end. */
function hooked(id: string) {
  const poststop = [{ path: "/bin/hook", args: ["hook", "stop"], env: [], timeout: 10 }];
  const request = containerRequest(id);
  return { ...request, spec: { ...request.spec, hooks: { poststop } } };
}

test("a container with a hook has a bundle, and its hook runs when it is removed", async () => {
  const all = await makePod({ play: hooksEnd });
  await all.sandbox.createContainer(hooked("c1"));
  const config = JSON.parse(readFileSync(inPod("run/kata-containers/c1/config.json"), "utf8"));
  expect(config).toMatchObject({ process: { args: ["sh"] } });
  expect(ran(all.kernel.init.children)).toMatchObject([{ args: ["sh"] }]);
  await endPod(all);
  expect(ran(all.kernel.init.children)).toMatchObject([{ args: ["sh"] }, { args: ["hook", "stop"] }]);
  expect(() => readFileSync(inPod("run/kata-containers/c1/config.json"))).toThrow("ENOENT");
});

test("the guest's own hooks are part of each container's spec", async () => {
  const hooks = inPod("hooks");
  mkdirSync(join(hooks, "poststop"), { recursive: true });
  writeFileSync(join(hooks, "poststop/last"), "", { mode: 0o755 });
  const all = openPod({ play: hooksEnd });
  await all.sandbox.create({ ...sandboxRequest(), guestHookPath: hooks });
  const { spec } = await all.sandbox.createContainer(containerRequest("c1"));
  expect(spec.hooks?.poststop).toMatchObject([{ path: join(hooks, "poststop/last"), args: ["last", "poststop"] }]);
  await endPod(all);
});

test("a creation that fails runs the container's last hooks, unless its spec was refused", async () => {
  const all = await makePod({ play: hooksEnd });
  const user = { uid: "ghost", gid: "", additionalGids: [] };
  await expect(all.sandbox.createContainer({ ...hooked("c1"), user })).rejects.toThrow("ghost");
  expect(ran(all.kernel.init.children)).toEqual([]);
  all.kernel.init.refuse(new Error("no room"));
  await expect(all.sandbox.createContainer(hooked("c1"))).rejects.toThrow("no room");
  expect(ran(all.kernel.init.children)).toMatchObject([{ args: ["hook", "stop"] }]);
  expect(left(all.mounts)).toEqual([[], [], 0]);
  await endPod(all);
});

test("the record of a container that joins a pid namespace says until the end that its creation takes several steps", async () => {
  const records: unknown[] = [];
  const play = (child: ChildDouble) => {
    records.push(recordOf(JSON.parse(child.request.label).container));
    hooksEnd(child);
  };
  const all = await makePod({ play });
  await all.sandbox.createContainer(containerRequest("c1"));
  await all.sandbox.createContainer({ ...containerRequest("c2"), sharePid: true });
  expect(records).toMatchObject([{ id: "c1" }, { id: "c2", creating: true }]);
  expect(records[0]).not.toHaveProperty("creating");
  expect(recordOf("c2")).not.toHaveProperty("creating");
  await endPod(all);
});

test("a container's device has the guest's numbers in its spec, its record and the addresses of later execs", async () => {
  const pci = { "0000:1f:00.0": "0000:01:00.0" };
  const node = { type: "b" as const, major: 254, minor: 16, path: "/dev/vdb" };
  const devices = new FoundDevices({ attached: [{ containerPath: "/dev/xvda", node, pci }] });
  const all = await makePod({ options: { devices } });
  const { spec, ...rest } = containerRequest("c1");
  const device = { type: "b", path: "/dev/xvda", major: 8, minor: 1, mode: 0o600, uid: 0, gid: 0 } as const;
  const env = ["PCIDEVICE_GPU=0000:1f:00.0"];
  const container = await all.sandbox.createContainer({
    ...rest,
    spec: { ...spec, process: { ...spec.process, env }, linux: { ...spec.linux, devices: [device] } },
  });
  expect(container.spec.linux.devices).toMatchObject([{ path: "/dev/xvda", major: 254, minor: 16 }]);
  expect(recordOf("c1")).toMatchObject({
    pci,
    devices: [{ major: 254, minor: 16, access: "rwm", host: { major: 8, minor: 1 } }],
    spec: { process: { env: ["PCIDEVICE_GPU=0000:01:00.0"] }, linux: { devices: [{ major: 254 }] } },
  });
  await all.sandbox.exec({ container, execId: "x1", process: { ...spec.process, env } }, never);
  expect(ran(all.kernel.init.children).at(-1)?.env).toContain("PCIDEVICE_GPU=0000:01:00.0");
  await endPod(all);
});

test("an exec's user is looked up in the container, unless the container has ended", async () => {
  const all = await makePod();
  const container = await all.sandbox.createContainer(containerRequest("c1"));
  const exec = (uid: string) => {
    const user = { uid, gid: "", additionalGids: [] };
    return all.sandbox.exec({ container, execId: `as-${uid}`, process: container.spec.process, user }, never);
  };
  await exec("4711");
  const plan = all.kernel.init.children[1]?.request.plan;
  expect(plan?.find(({ op }) => op === "user")).toMatchObject({ uid: 4711 });
  await expect(exec("no-such-user")).rejects.toThrow("no-such-user");
  all.kernel.init.children[0]?.end();
  await expect.poll(() => container.init.status).toBeDefined();
  await expect(exec("no-such-user")).rejects.toThrow("its init process has ended");
  await endPod(all);
});

test("a container with an unknown id can't be updated or removed", async () => {
  const all = await makePod();
  const message = (call: string) => ({ kind: "not-found", message: `${call} container: Invalid container id "c1"` });
  expect(() => all.sandbox.updateContainer("c1", {})).toThrow(expect.objectContaining(message("update")));
  await expect(all.sandbox.removeContainer("c1", never)).rejects.toMatchObject(message("remove"));
  await endPod(all);
});

test("a container whose removal has begun can't be updated, and its id is free once it is removed", async () => {
  const all = await makePod();
  await all.sandbox.createContainer(containerRequest("c1"));
  const removing = all.sandbox.removeContainer("c1", never);
  expect(() => all.sandbox.updateContainer("c1", {})).toThrow("is being removed");
  await removing;
  await all.sandbox.createContainer(containerRequest("c1"));
  await endPod(all);
});

test("a removal that its caller cancels continues, and a second one waits for it", async () => {
  const all = await makePod();
  await all.sandbox.createContainer(containerRequest("c1"));
  writeFileSync(inPod("cgroup/c1/busy"), "");
  const patience = new AbortController();
  const removing = all.sandbox.removeContainer("c1", patience.signal);
  patience.abort(new Error("deadline"));
  await expect(removing).rejects.toThrow("deadline");
  rmSync(inPod("cgroup/c1/busy"));
  await all.sandbox.removeContainer("c1", never);
  expect(left(all.mounts)).toEqual([[], [], 0]);
  await endPod(all);
});

test("a container that shares pids joins the pod's namespace, which the first container provides", async () => {
  const all = await makePod();
  await all.sandbox.createContainer(containerRequest("c1"));
  const shared = await all.sandbox.createContainer({ ...containerRequest("c2"), sharePid: true });
  const fd = all.kernel.init.calls.find(([call]) => call === "deposit")?.[2];
  expect(shared.spec.linux.namespaces).toContainEqual({ type: "pid", path: `/proc/self/fd/${fd}` });
  await endPod(all);
});

test("a container calls back once its process is ready, before its creation ends", async () => {
  const all = await makePod();
  const found: unknown[] = [];
  const onReady = () => void found.push(all.sandbox.find("c1")?.id);
  await all.sandbox.createContainer({ ...containerRequest("c1"), onReady });
  expect(found).toEqual(["c1"]);
  await endPod(all);
});

test("a container that may trace is frozen while another one is created in its pid namespace", async () => {
  const during: unknown[] = [];
  const play = (child: ChildDouble) => {
    const { container } = JSON.parse(child.request.label);
    if (container === "c2") during.push(frozen(), recordOf("c1").held);
    hooksEnd(child);
  };
  const [freeze, events] = [inPod("cgroup/c1/cgroup.freeze"), inPod("cgroup/c1/cgroup.events")];
  const frozen = () => readFileSync(freeze, "utf8");
  /** Reports what was asked for, as the kernel does. */
  const writeText = (path: string, text: string) => {
    realFiles.writeText(path, text);
    if (path === freeze) writeFileSync(events, `populated 1\nfrozen ${text}\n`);
  };
  const all = await makePod({ play, files: { writeText } });
  const container = await all.sandbox.createContainer(containerRequest("c1"));
  for (const path of [freeze, events]) writeFileSync(path, "0");
  const ptrace = ["CAP_SYS_PTRACE"];
  const capabilities = { bounding: ptrace, effective: ptrace, permitted: ptrace, inheritable: [], ambient: [] };
  const process = { ...container.spec.process, capabilities };
  await all.sandbox.exec({ container, execId: "gdb", process }, never);
  await all.sandbox.createContainer({ ...containerRequest("c2"), sharePid: true });
  expect(during).toEqual(["1", true]);
  expect([frozen(), recordOf("c1").held]).toEqual(["0", false]);
  for (const path of [freeze, events]) rmSync(path);
  await endPod(all);
});
