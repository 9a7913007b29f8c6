import { expect, it } from "vitest";
import { Pod } from "./pod.ts";

/**
 * Scenarios of a gVisor container: another kernel inside, the same calls outside. The pod's client is replaced after a
 * kill.
 */
export function gvisorScenarios(current: { pod: Pod }): void {
  it("busybox runs on gVisor's kernel, as its dmesg shows, with stdin, both outputs and an exit code", async () => {
    const { pod } = current;
    const id = await pod.start(["sh", "-c", "dmesg; uname -r; hostname; cat; echo error >&2; exit 42"]);
    await pod.client.agent.writeStdin({ container_id: id, exec_id: id, data: Buffer.from("typed\n") });
    await pod.client.agent.closeStdin({ container_id: id, exec_id: id });
    const { stdout, stderr, status } = await pod.finish(id, id);
    expect(stdout.toString()).toMatch(/Starting gVisor\.\.\.[\s\S]*Ready!\n\S*gvisor\S*\npod-host\ntyped\n$/);
    expect([stderr.toString(), status]).toEqual(["error\n", 42]);
    await pod.remove(id);
  });

  it("execs have their own user, exit codes, signals, and a terminal with its size", async () => {
    const { pod } = current;
    const { agent } = pod.client;
    const container_id = await pod.start(["sleep", "1000"]);
    const user = await pod.execute(container_id, ["sh", "-c", "id -u; dmesg | head -n 1; exit 7"], {
      User: { UID: 1000, GID: 100 },
    });
    expect([user.stdout.toString(), user.status]).toEqual([expect.stringMatching(/^1000\n.*Starting gVisor/), 7]);
    const killed = await pod.exec(container_id, ["sleep", "1000"]);
    await agent.signalProcess({ container_id, exec_id: killed, signal: 9 });
    expect((await pod.finish(container_id, killed)).status).toBe(137);
    const handler = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    const handled = await pod.exec(container_id, ["sh", "-c", handler]);
    await agent.readStdout({ container_id, exec_id: handled, len: 100 });
    await agent.signalProcess({ container_id, exec_id: handled, signal: 15 });
    expect((await pod.finish(container_id, handled)).status).toBe(9);
    const tty = await pod.exec(container_id, ["sh", "-c", "read x; stty size; exit 3"], { Terminal: true });
    await agent.ttyWinResize({ container_id, exec_id: tty, row: 30, column: 100 });
    await agent.writeStdin({ container_id, exec_id: tty, data: Buffer.from("\n") });
    expect((await pod.drain("readStdout", container_id, tty)).toString()).toContain("30 100");
    expect((await agent.waitProcess({ container_id, exec_id: tty })).status).toBe(3);
    await expect(pod.exec(container_id, ["nope"])).rejects.toThrow(/nope.*no such file/);
    await pod.remove(container_id);
  });

  it("the exit status is reported after the agent was killed, and nothing is left behind", async () => {
    const { machine } = current.pod;
    const traces = () =>
      machine.shell("ls /run/guestd/* /run/guestd/runtimes/* | wc -l; wc -l < /proc/mounts; pidof runsc");
    const before = await traces().catch(String);
    const container_id = await current.pod.start(["sh", "-c", "read x; echo $x; exit 23"]);
    const exec_id = await current.pod.exec(container_id, ["sh", "-c", "echo before; exit 6"]);
    await machine.killAgent();
    await current.pod.client.close();
    current.pod = new Pod(machine, await machine.connect(), current.pod.annotations);
    expect(await current.pod.finish(container_id, exec_id)).toMatchObject({
      stdout: Buffer.from("before\n"),
      status: 6,
    });
    const { agent } = current.pod.client;
    await agent.writeStdin({ container_id, exec_id: container_id, data: Buffer.from("after\n") });
    const end = await current.pod.finish(container_id, container_id);
    expect([end.stdout.toString(), end.status]).toEqual(["after\n", 23]);
    await current.pod.remove(container_id);
    await expect.poll(() => traces().catch(String), { interval: 500 }).toBe(before);
  });
}
