import { afterAll, beforeAll, expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const entropy = Buffer.alloc(32, "entropy");

describeInNamespaces("Quiesce and Resumed", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine);
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  const refused = { kind: "unavailable", message: expect.stringMatching(/quiesced.*Resumed/) };
  const stateOf = async (id: string) => {
    const frozen = await machine.shell(`cat $(find /sys/fs/cgroup -name '*${id}*' -type d)/cgroup.freeze`);
    return frozen.trim();
  };

  it("refuse creations in between, freeze running containers alone, and thaw what Quiesce froze", async () => {
    const { guest, agent } = pod.client;
    const running = await pod.start(["sleep", "1000"]);
    const paused = await pod.start(["sleep", "1000"]);
    await agent.pauseContainer({ container_id: paused });
    const { epoch } = await guest.quiesce({ freeze_containers: true });
    await guest.quiesce({ freeze_containers: true });
    expect([await stateOf(running), await stateOf(paused)]).toEqual(["1", "1"]);
    await expect(pod.create(["true"])).rejects.toMatchObject(refused);
    await expect(pod.exec(running, ["true"])).rejects.toMatchObject(refused);
    await expect(agent.resumeContainer({ container_id: running })).rejects.toMatchObject(refused);
    await machine.killAgent();
    await expect(pod.exec(running, ["true"])).rejects.toMatchObject(refused);
    expect(await guest.resumed({ epoch })).toMatchObject({ epoch });
    expect([await stateOf(running), await stateOf(paused)]).toEqual(["0", "1"]);
    expect((await pod.execute(running, ["echo", "goes on"])).stdout.toString()).toBe("goes on\n");
    for (const id of [running, paused]) await pod.remove(id);
  });

  it("a higher epoch gives a clone its identity, and the next agent answers on the same connection", async () => {
    const { guest } = pod.client;
    const id = await pod.start(["sh", "-c", "i=0; while [ ! -e /stop ]; do i=$((i+1)); echo $i; sleep 0.02; done"]);
    const reading = pod.drain("readStdout", id, id, 4096);
    const { generation } = await guest.running({});
    const { epoch, losses } = await guest.quiesce({ freeze_containers: true });
    expect(losses.map(({ kind, object }) => `${kind} ${object}`)).toContain("call ReadStdout of unix");
    const clone = { epoch: epoch + 5, entropy, hostname: "clone-1", machine_id: "", dns: ["nameserver 10.0.0.11"] };
    expect(await guest.resumed(clone)).toEqual({ epoch: epoch + 5, generation: generation + 1 });
    expect(await guest.resumed(clone), "repeated").toEqual({ epoch: epoch + 5, generation: generation + 1 });
    expect(await machine.shell("cat /run/guestd/epoch")).toBe(`${epoch + 5}\n`);
    expect(await machine.shell("hostname; cat /proc/sys/kernel/hostname")).toBe("clone-1\nclone-1\n");
    expect((await pod.execute(id, ["hostname"])).stdout.toString()).toBe("clone-1\n");
    expect(await machine.shell("cat /run/machine-id")).toMatch(/^[0-9a-f]{32}\n$/);
    expect(await machine.shell("cat /run/kata-containers/sandbox/resolv.conf")).toBe("nameserver 10.0.0.11\n");
    await pod.exec(id, ["touch", "/stop"]);
    const lines = (await reading).toString().trimEnd().split("\n");
    expect(lines).toEqual(Array.from(lines, (_, index) => String(index + 1)));
    await pod.remove(id);
    await expect(guest.resumed({ epoch })).rejects.toMatchObject({ kind: "failed-precondition" });
  });
});
