import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { type CurrentPod, reconnect as reconnectTo } from "./current-pod.ts";
import { ociSpec } from "./oci.ts";

/** Scenarios of killed agents, removed containers and duplicate ids. The pod's client is replaced after a kill. */
export function enduranceScenarios(current: CurrentPod): void {
  const reconnect = () => reconnectTo(current);

  it("a container that prints numbered lines while the agent is killed keeps running and loses no output or exit code", async () => {
    const { machine } = current.pod;
    // A fork takes 0.1 s in a guest under software emulation, so the pause is a loop there.
    const pause = machine.real ? "j=0; while [ $j -lt 300 ]; do j=$((j+1)); done" : "sleep 0.01";
    const script = `i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo line $i; ${pause}; done; exit 23`;
    const id = await current.pod.start(["sh", "-c", script]);
    const parts: Buffer[] = [];
    const reading = (async () => {
      for (;;) {
        const { data } = await current.pod.client.agent.readStdout({ container_id: id, exec_id: id, len: 8192 });
        if (data.length === 0) return;
        parts.push(Buffer.from(data));
      }
    })().catch(() => "the connection ended with the agent");
    await sleep(300);
    await machine.killAgent();
    await reading;
    await reconnect();
    const { stdout, status } = await current.pod.finish(id, id);
    expect(status).toBe(23);
    const lines =
      Buffer.concat([...parts, stdout])
        .toString()
        .match(/(?<=line )\d+/g)
        ?.map(Number) ?? [];
    // The response in flight at the kill may be lost: at most one gap.
    const gaps = lines.filter((line, index) => index > 0 && line !== (lines[index - 1] ?? 0) + 1);
    expect(gaps.length).toBeLessThanOrEqual(1);
    expect(lines.length).toBeGreaterThan(350);
    expect(lines.at(-1)).toBe(400);
    await current.pod.remove(id);
  });

  it("the next agent starts a container that the killed one created, and refuses its id a second time", async () => {
    const id = await current.pod.create(["sh", "-c", "echo started; exit 4"]);
    await current.pod.machine.killAgent();
    await reconnect();
    const again = current.pod.client.agent.createContainer({ container_id: id, OCI: ociSpec("/", ["true"]) });
    await expect(again).rejects.toMatchObject({ kind: "already-exists" });
    await current.pod.client.agent.startContainer({ container_id: id });
    expect(await current.pod.finish(id, id)).toMatchObject({ stdout: Buffer.from("started\n"), status: 4 });
    await current.pod.remove(id);
  });

  it("a container stays paused and keeps its device filter, and the next agent can change both", async () => {
    const { Linux } = ociSpec("/", []);
    const Devices = [{ Path: "/dev/kmsg", Type: "c", Major: 1, Minor: 11 }];
    const container_id = await current.pod.start(["sleep", "1000"], { Linux: { ...Linux, Devices } });
    await current.pod.client.agent.pauseContainer({ container_id });
    await current.pod.machine.killAgent();
    await reconnect();
    const { agent } = current.pod.client;
    await expect(agent.pauseContainer({ container_id })).rejects.toThrow("current status is: Paused");
    await agent.resumeContainer({ container_id });
    const open = async () => (await current.pod.execute(container_id, ["sh", "-c", ": > /dev/kmsg"])).status;
    expect(await open()).toBe(0);
    const rule = { Type: "c", Major: 1, Minor: 11, Access: "rwm" };
    await agent.updateContainer({ container_id, resources: { Devices: [rule] } });
    expect(await open()).toBe(1);
    await current.pod.remove(container_id);
  });

  it("the next agent reports the exit code of a process that ended while no agent ran, and its output", async () => {
    const id = await current.pod.start(["sleep", "1000"]);
    const exec_id = await current.pod.exec(id, ["sh", "-c", "echo before; exit 6"]);
    await current.pod.machine.killAgent();
    await reconnect();
    expect(await current.pod.finish(id, exec_id)).toMatchObject({ stdout: Buffer.from("before\n"), status: 6 });
    expect((await current.pod.execute(id, ["echo", "after"])).stdout.toString()).toBe("after\n");
    await current.pod.remove(id);
  });

  it("the next agent keeps a container whose exit was already reported until it is removed", async () => {
    const id = await current.pod.start(["sh", "-c", "echo output; exit 3"]);
    expect((await current.pod.finish(id, id)).status).toBe(3);
    await current.pod.machine.killAgent();
    await reconnect();
    expect((await current.pod.finish(id, id)).status).toBe(3);
    await current.pod.remove(id);
  });

  it("the next agent continues a file whose first pieces were copied before the kill", async () => {
    const path = `${current.pod.machine.volume(`cut-${Date.now().toString(36)}`)}/file`;
    const piece = (offset: number, text: string) =>
      current.pod.client.agent.copyFile({ path, file_mode: 0o644, file_size: 9, offset, data: Buffer.from(text) });
    await piece(6, "ghi");
    await piece(0, "abc");
    await current.pod.machine.killAgent();
    await reconnect();
    await piece(3, "def");
    expect(await current.pod.machine.shell(`cat ${path}`)).toBe("abcdefghi");
  });

  it("the next agent keeps a host's settings up to date and removes them with their container", async () => {
    const { machine } = current.pod;
    const name = `settings-${Date.now().toString(36)}`;
    const source = `${machine.rootfs(name)}/settings`;
    mkdirSync(machine.hostPath(source));
    const write = (text: string) => writeFileSync(join(machine.hostPath(source), "colour"), text);
    write("red");
    const mount_point = `/run/kata-containers/shared/containers/watchable/${name}`;
    const bind = { destination: "/settings", source: mount_point, type: "bind", options: ["rbind"] };
    const spec = ociSpec(machine.rootfs(`${name}-root`), ["sleep", "1000"]);
    await current.pod.client.agent.createContainer({
      container_id: name,
      storages: [{ driver: "watchable-bind", source, fstype: "bind", mount_point }],
      OCI: { ...spec, Mounts: [...(spec.Mounts ?? []), bind] },
    });
    await current.pod.client.agent.startContainer({ container_id: name });
    await machine.killAgent();
    await reconnect();
    write("blue");
    const colour = async () => (await current.pod.execute(name, ["cat", "/settings/colour"])).stdout.toString();
    await expect.poll(colour, { interval: 200 }).toBe("blue");
    await current.pod.remove(name);
    expect(await machine.shell(`grep ${mount_point} /proc/self/mountinfo || echo none`)).toBe("none\n");
  });

  it("the sandbox stays: a second CreateSandbox is refused without harm, before a kill and after", async () => {
    const id = await current.pod.start(["sleep", "1000"]);
    const create = () => current.pod.client.agent.createSandbox({ sandbox_id: "other" });
    await expect(create()).rejects.toMatchObject({ kind: "already-exists" });
    await current.pod.machine.killAgent();
    await reconnect();
    await expect(create()).rejects.toMatchObject({ kind: "already-exists" });
    expect((await current.pod.execute(id, ["hostname"])).stdout.toString()).toBe("pod-host\n");
    await current.pod.remove(id);
  });

  it("RemoveContainer leaves no process, mount, cgroup or descriptor behind", async () => {
    const { machine } = current.pod;
    const count = () =>
      machine.shell(
        "set -- $(grep -l . /proc/[0-9]*/cmdline 2>/dev/null); echo $#; wc -l < /proc/mounts; find /sys/fs/cgroup -type d | wc -l; " +
          "ls /proc/1/fd | wc -l; ls /proc/$(pidof node)/fd 2>/dev/null | wc -l; ls /run/guestd/* /run/guestd/runtimes/* 2>/dev/null | wc -l",
      );
    const round = async () => {
      const id = await current.pod.start(["sh", "-c", "sleep 1000 & sleep 1000"]);
      await current.pod.execute(id, ["echo", "x"]);
      await current.pod.exec(id, ["sh", "-c", "echo unread; sleep 1000"]);
      await current.pod.exec(id, ["sh"], { Terminal: true });
      await current.pod.remove(id);
    };
    await round();
    await sleep(200);
    const before = await count();
    for (let i = 0; i < 5; i++) await round();
    await expect.poll(count, { interval: 200 }).toBe(before);
  });

  it("a failed CreateContainer leaves nothing behind, and its id can be used again", async () => {
    const { agent } = current.pod.client;
    const rootfs = current.pod.machine.rootfs(`failed-${Date.now().toString(36)}`);
    const container_id = `failed-${Date.now().toString(36)}`;
    const before = await current.pod.machine.shell("find /sys/fs/cgroup -type d | wc -l; wc -l < /proc/mounts");
    const { annotations: Annotations, runtime } = current.pod;
    const OCI = ociSpec(rootfs, ["/nope"], { Annotations });
    await expect(agent.createContainer({ container_id, OCI })).rejects.toThrow(runtime.missing);
    const after = await current.pod.machine.shell("find /sys/fs/cgroup -type d | wc -l; wc -l < /proc/mounts");
    expect(after).toBe(before);
    await agent.createContainer({ container_id, OCI: ociSpec(rootfs, ["true"], { Annotations }) });
    await current.pod.remove(container_id);
  });
}
