import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

describeInNamespaces("hooks interrupted by the agent's death", () => {
  /** Creates or starts a container whose hook sleeps, and kills the agent meanwhile. */
  async function killDuring(kind: "CreateRuntime" | "CreateContainer" | "StartContainer") {
    const machine = await startHostAgent();
    const pod = await Pod.open(machine);
    const rootfs = machine.rootfs("all");
    const out = join(machine.directory, "out");
    mkdirSync(out);
    const sh = `${rootfs}/bin/busybox`;
    writeFileSync(join(out, "slow"), `#!${sh} sh\n${sh} sleep 731; true\n`, { mode: 0o755 });
    writeFileSync(join(out, "stop"), `#!${sh} sh\n${sh} cat >> ${out}/stopped; echo >> ${out}/stopped\n`, {
      mode: 0o755,
    });
    const slow =
      kind === "StartContainer"
        ? { Path: "/bin/sh", Args: ["sh", "-c", "sleep 731; true"], Env: ["PATH=/bin"] }
        : { Path: join(out, "slow") };
    const before = await traces(machine);
    const OCI = (Hooks: Init<grpc.Hooks>) => ociSpec(rootfs, ["sleep", "732"], { Hooks });
    const create = pod.client.agent.createContainer({
      container_id: "c1",
      OCI: OCI({ [kind]: [slow], Poststop: [{ Path: join(out, "stop") }] }),
    });
    create.catch(() => undefined);
    if (kind === "StartContainer") {
      await create;
      pod.client.agent.startContainer({ container_id: "c1" }).catch(() => undefined);
    }
    await expect.poll(() => machine.shell("ps -o args | grep -c '[s]leep 731' || true")).not.toBe("0\n");
    const sleepers = () => machine.shell("ps -o pid,args | grep '[s]leep 731' || true");
    const interrupted = await sleepers();
    await machine.killAgent();
    // The next agent leaves a start alone whose caller has gone before it begins it again.
    if (kind === "StartContainer") {
      await expect.poll(async () => [interrupted, ""].includes(await sleepers())).toBe(false);
    }
    await pod.client.close();
    return { machine, pod: new Pod(machine, await machine.connect()), before, rootfs, out };
  }

  const traces = (machine: { shell(line: string): Promise<string> }) =>
    machine.shell(
      "find /sys/fs/cgroup -type d | wc -l; wc -l < /proc/mounts; ls /run/guestd/containers /run/kata-containers; ps -o args | grep '[s]leep 73' || true",
    );

  it.each(["CreateRuntime", "CreateContainer"] as const)(
    "the next agent restarts a creation whose %s hook was interrupted, and rolls it back because its caller has gone",
    async (kind) => {
      const { machine, pod, before, rootfs, out } = await killDuring(kind);
      await using _ = machine;
      await expect.poll(() => traces(machine), { interval: 50 }).toBe(before);
      const stopped = (await machine.shell(`cat ${out}/stopped`)).trim().split("\n");
      for (const line of stopped) expect(JSON.parse(line)).toMatchObject({ id: "c1", status: "stopped" });
      await expect(pod.client.agent.startContainer({ container_id: "c1" })).rejects.toThrow("Invalid container id");
      await pod.client.agent.createContainer({ container_id: "c1", OCI: ociSpec(rootfs, ["true"]) });
      await pod.remove("c1");
      expect(await traces(machine)).toBe(before);
      await pod.client.close();
    },
  );

  it("the next agent runs the startContainer hook of an interrupted start again, and can remove the container", async () => {
    const { machine, pod, before } = await killDuring("StartContainer");
    await using _ = machine;
    const sleeping = () => machine.shell("ps -o args | grep -c '^[s]leep 731' || true");
    await expect.poll(sleeping).toBe("1\n");
    expect(await machine.shell("ps -o args | grep -c '^[s]leep 732' || true")).toBe("0\n");
    await pod.remove("c1");
    expect(await traces(machine)).toBe(before);
    await pod.client.close();
  });

  it("the next agent finishes an interrupted removal and runs its poststop hook again", async () => {
    await using machine = await startHostAgent();
    const pod = await Pod.open(machine);
    const rootfs = machine.rootfs("all");
    const log = join(machine.directory, "log");
    const hook = join(machine.directory, "stop");
    const sh = `${rootfs}/bin/busybox`;
    writeFileSync(hook, `#!${sh} sh\necho ran >> ${log}\ntest -e ${log}.2 || ${sh} sleep 733\necho end >> ${log}\n`, {
      mode: 0o755,
    });
    const before = await traces(machine);
    const OCI = ociSpec(rootfs, ["true"], { Hooks: { Poststop: [{ Path: hook }] } });
    await pod.client.agent.createContainer({ container_id: "c1", OCI });
    pod.remove("c1").catch(() => undefined);
    await expect.poll(() => machine.shell("ps -o args | grep -c '[s]leep 733' || true")).not.toBe("0\n");
    writeFileSync(`${log}.2`, "");
    await machine.killAgent();
    await expect.poll(() => traces(machine), { interval: 50 }).toBe(before);
    expect(await machine.shell(`cat ${log}`)).toBe("ran\nran\nend\n");
    await pod.client.close();
  });

  it("the next agent runs the poststart hooks of an interrupted start, and answers the call", async () => {
    await using machine = await startHostAgent();
    const pod = await Pod.open(machine);
    const rootfs = machine.rootfs("all");
    const log = join(machine.directory, "log");
    const hook = (script: string) => ({ Path: `${rootfs}/bin/busybox`, Args: ["sh", "-c", script] });
    const slow = `echo begins >> ${log}; test -e ${log}.2 || ${rootfs}/bin/busybox sleep 734; echo ends >> ${log}`;
    const Poststart = [hook(slow), hook(`echo second >> ${log}`)];
    const StartContainer = [{ Path: "/bin/sh", Args: ["sh", "-c", "echo inside >> /log"] }];
    const OCI = ociSpec(rootfs, ["sleep", "735"], { Hooks: { Poststart, StartContainer } });
    await pod.client.agent.createContainer({ container_id: "c1", OCI });
    const start = pod.client.agent.startContainer({ container_id: "c1" });
    await expect.poll(() => machine.shell("ps -o args | grep -c '[s]leep 734' || true")).not.toBe("0\n");
    writeFileSync(`${log}.2`, "");
    await machine.killAgent();
    await start;
    expect(await machine.shell(`cat ${log}`)).toBe("begins\nbegins\nends\nsecond\n");
    expect(await machine.shell(`cat ${rootfs}/log`), "the program was already executed").toBe("inside\n");
    expect(await machine.shell("ps -o args | grep -c '[s]leep 734' || true")).toBe("0\n");
    await pod.remove("c1");
    await pod.client.close();
  });
});
