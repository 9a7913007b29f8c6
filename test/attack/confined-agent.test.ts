import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startInit } from "../init/testing/harness.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { Pod } from "../scenarios/pod.ts";
import { compileC } from "../testing/compile-c.ts";

const STAND_IN = join(import.meta.dirname, "testing/confined-agent.ts");

describeInNamespaces("an attacker who has taken over the agent", () => {
  it("is refused the system calls that the agent doesn't need, also in its programs", async () => {
    const attack = join(makeWorkDirectory("refused-calls"), "attack");
    compileC([join(import.meta.dirname, "refused-calls.c")], attack, []);
    await using init = startInit({ agentCommand: [process.execPath, STAND_IN, attack] });
    const [text = ""] = await init.waitForConsole(/^[\s\S]*attack done$/m);
    const lines = text.split("\n").filter((line) => line !== "attack done");
    expect(lines.filter((line) => !line.startsWith("EPERM "))).toEqual([
      expect.stringMatching(/^(Bad file descriptor|Invalid argument|Operation not permitted) bpf\(BPF_PROG_QUERY\)$/),
      "done socket(AF_UNIX)",
      "ENOSYS a call of a later kernel",
      "done getppid",
    ]);
    expect(lines.length).toBeGreaterThan(35);
  });

  it("finds few capabilities, no new privileges and no io_uring in any thread, while init keeps what containers need", async () => {
    await using machine = await startHostAgent();
    const [agent, init] = [await machine.agentPid(), await machine.initPid()];
    const known = maskOf("/proc/self/status", "CapBnd");
    for (const thread of readdirSync(`/proc/${agent}/task`)) {
      const status = `/proc/${agent}/task/${thread}/status`;
      for (const set of ["CapPrm", "CapEff", "CapBnd"]) expect(maskOf(status, set), set).toBe(0x8ba9_34ffn & known);
      for (const set of ["CapInh", "CapAmb"]) expect(maskOf(status, set), set).toBe(0n);
      expect(readFileSync(status, "utf8")).toMatch(/^NoNewPrivs:\t1\nSeccomp:\t2$/m);
    }
    const open = readdirSync(`/proc/${agent}/fd`).map((fd) => readlinkSync(`/proc/${agent}/fd/${fd}`));
    expect(open.filter((target) => target.includes("io_uring"))).toEqual([]);
    expect(readFileSync(`/proc/${init}/status`, "utf8")).toMatch(/^NoNewPrivs:\t0\n/m);
    expect(maskOf(`/proc/${init}/status`, "CapBnd")).toBe(known);
  });

  it("can load no kernel module once there is a sandbox, also as the next agent", async () => {
    await using machine = await startHostAgent();
    const filters = async () =>
      /^Seccomp_filters:\t(\d+)$/m.exec(readFileSync(`/proc/${await machine.agentPid()}/status`, "utf8"));
    const before = Number((await filters())?.[1]);
    const pod = await Pod.open(machine);
    await pod.client.close();
    expect(Number((await filters())?.[1])).toBe(before + 1);
    await machine.killAgent();
    expect(Number((await filters())?.[1])).toBe(before + 1);
  });
});

function maskOf(status: string, set: string): bigint {
  return BigInt(`0x${new RegExp(`^${set}:\\t(\\w+)$`, "m").exec(readFileSync(status, "utf8"))?.[1] ?? "0"}`);
}
