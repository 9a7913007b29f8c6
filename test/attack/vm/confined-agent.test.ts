import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ociSpec } from "../../scenarios/oci.ts";
import { Pod } from "../../scenarios/pod.ts";
import { startGuestMachine } from "../../vm/testing/guest-machine.ts";
import { buildCapable } from "./testing/spared-container.ts";

const SILENT = /the agent has not answered for 5\.0 s; it is replaced/g;
/** The agent's capabilities, as in docs/confinement.md. */
const AGENT_CAPABILITIES = "000000008ba934ff";

describe("the agent in a guest", () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  let pod: Pod;
  beforeAll(async () => {
    machine = await startGuestMachine(256, { hotplug: true });
    pod = await Pod.open(machine);
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  it("has in all its threads only the capabilities that it needs, no new privileges and three filters", async () => {
    const lines = "'^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp|Seccomp_filters):'";
    const text = await machine.shell(`cat /proc/$(pidof node)/task/*/status | grep -E ${lines} | sort | uniq -c`);
    const found = text
      .trim()
      .split("\n")
      .map((line) => line.trim().split(/\s+/));
    expect(new Set(found.map(([count]) => count)).size, text).toBe(1);
    expect(Object.fromEntries(found.map(([, name = "", value]) => [name, value]))).toEqual({
      "CapInh:": "0000000000000000",
      "CapPrm:": AGENT_CAPABILITIES,
      "CapEff:": AGENT_CAPABILITIES,
      "CapBnd:": AGENT_CAPABILITIES,
      "CapAmb:": "0000000000000000",
      "NoNewPrivs:": "1",
      "Seccomp:": "2",
      "Seccomp_filters:": "3",
    });
  });

  it("opens no inspector on a signal, because that would give the agent to every container on the guest's network", async () => {
    const [, caught = ""] = /^SigCgt:\t(\w+)$/m.exec(await machine.shell("cat /proc/$(pidof node)/status")) ?? [];
    expect(BigInt(`0x${caught}`) & (1n << 9n)).toBe(0n); // SIGUSR1 is 10
  });

  it("passes none of its restrictions to init, whose containers have what their specs say", async () => {
    const init = await machine.shell("grep -E '^(CapBnd|NoNewPrivs|Seccomp):' /proc/1/status");
    expect(init).toMatch(/^CapBnd:\t0*1ffffffffff\nNoNewPrivs:\t0\nSeccomp:\t0\n$/);
    const { Process } = ociSpec("/", ["grep", "-E", "^(NoNewPrivs|Seccomp):", "/proc/self/status"]);
    const { stdout } = await pod.run([], { Process: { ...Process, NoNewPrivileges: false } });
    expect(stdout.toString()).toBe("NoNewPrivs:\t0\nSeccomp:\t0\n");
  });

  it("is not replaced as silent when the whole guest was paused for longer than the limit", async () => {
    // By its process: the program behind the vsock device doesn't bear connections to a guest that QMP stops.
    const [qemu = 0] = machine.guest.pids;
    process.kill(qemu, "SIGSTOP");
    try {
      await sleep(6000);
    } finally {
      process.kill(qemu, "SIGCONT");
    }
    await pod.client.health.check({});
    await sleep(1500);
    await pod.client.health.check({});
    expect(machine.console()).not.toMatch(SILENT);
  });

  it("is replaced when it is stopped, and the connection and the container continue", async () => {
    const id = await pod.start(["sh", "-c", "sleep 6; exit 7"]);
    const waiting = pod.client.agent.waitProcess({ container_id: id, exec_id: id });
    await machine.shell("kill -STOP $(pidof node)").catch(() => "the console stopped with the agent");
    expect((await waiting).status).toBe(7);
    await expect.poll(() => machine.console().match(SILENT)).toHaveLength(1);
    await pod.remove(id);
    expect(await machine.shell("grep Seccomp_filters /proc/$(pidof node)/status"), "of the next agent").toMatch(
      /\t3$/m,
    );
  });

  it("starts again while a container, given the device by its spec, holds the guest's console stopped", async () => {
    const rootfs = machine.rootfs("capable");
    buildCapable(join(machine.hostPath(rootfs), "bin/capable"));
    const { Process, Linux } = ociSpec(rootfs, ["capable", "console"]);
    const capabilities = { Bounding: ["CAP_MKNOD"], Effective: ["CAP_MKNOD"], Permitted: ["CAP_MKNOD"] };
    const start = async (Devices: { Path: string; Type: string; Major: number; Minor: number }[]) => {
      const parts = { Root: { Path: rootfs }, Linux: { ...Linux, Devices } };
      const id = await pod.start([], { ...parts, Process: { ...Process, Capabilities: capabilities } });
      const { data } = await pod.client.agent.readStdout({ container_id: id, exec_id: id, len: 64 });
      return Buffer.from(data).toString();
    };
    expect(await start([])).toBe("open: Operation not permitted\n");
    expect(await start([{ Path: "/dev/console", Type: "c", Major: 5, Minor: 1 }])).toBe("stopped\n");
    const { generation } = await pod.client.guest.running({});
    await machine.shell("kill -KILL $(pidof node)").catch(() => "the console stopped with the agent");
    const next = await vi.waitFor(() => pod.client.guest.running({}, { timeoutMs: 2000 }), 50_000);
    expect(next.generation).toBe(generation + 1);
  });
});
