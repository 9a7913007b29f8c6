import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runGuestctl } from "../../host/cli/testing/run-guestctl.ts";
import { StateStore } from "../../host/engine/record/state-store.ts";
import { type PrometheusSample, prometheusSamples } from "../../lib/prometheus-samples.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { type GuestctlProcess, startGuestctl } from "../scenarios/guestctl-process.ts";
import { Pod } from "../scenarios/pod.ts";
import { dashboardProblems } from "./testing/dashboard-queries.ts";
import { startHostAgent } from "./testing/host-agent.ts";

/** Returns the record of a guest whose agent is at the address. */
function record(name: string, address: string) {
  return {
    ...{ name, address, logAddress: address, folder: "/nonexistent", accelerator: "kvm", memoryMib: 256, cpus: 2 },
    ...{ timeline: { listening: 400, check: 450 }, bootedAt: "2026-11-28T12:00:00.000Z" },
  };
}

describeInNamespaces("guestctl metrics of all guests", () => {
  let agent: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let runtime: string;
  let store: StateStore;
  let served: GuestctlProcess;
  let port: number;
  const silent = createServer();
  beforeAll(async () => {
    agent = await startHostAgent();
    runtime = join(agent.directory, "run");
    mkdirSync(runtime);
    store = new StateStore(join(runtime, `guestd-${process.geteuid?.()}`));
    for (const [name, address] of [
      ["web", agent.address],
      ["stuck", `unix://${agent.directory}/silent.sock`],
    ] as const) {
      store.claim(name);
      store.writeGuest(record(name, address));
    }
    store.boots.add({ accelerator: "kvm", ms: 450 });
    store.boots.add({ accelerator: "kvm", ms: 5000 });
    store.boots.add({ failed: true });
    await once(silent.listen(`${agent.directory}/silent.sock`), "listening");
    pod = await Pod.open(agent);
    served = startGuestctl(["metrics", "--listen", "0"], { env: { XDG_RUNTIME_DIR: runtime } });
    await served.prints(/metrics at http:\S+\n/);
    port = Number(/:(\d+)\/metrics/.exec(String(served.output.stdout))?.[1]);
  });
  afterAll(async () => {
    served?.child.kill();
    silent.close();
    await pod?.client.close();
    await agent?.[Symbol.asyncDispose]();
  });

  async function scrape(): Promise<readonly PrometheusSample[]> {
    const response = await fetch(`http://127.0.0.1:${port}/metrics`);
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    return [...prometheusSamples(await response.text())];
  }

  const sampleValue = (samples: readonly PrometheusSample[], name: string, labels: Record<string, string> = {}) =>
    samples.find((each) => each.name === name && Object.entries(labels).every(([key, to]) => each.labels[key] === to))
      ?.value;

  it("serves calls, errors, bytes and restarts of each guest, and a guest that doesn't answer is down", async () => {
    const container_id = await pod.start(["sh", "-c", "printf 12345; exec sleep 1000"]);
    const name = { container_id, exec_id: container_id };
    const { data } = await pod.client.agent.readStdout({ ...name, len: 100 });
    expect(Buffer.from(data).toString()).toBe("12345");
    const exec = { container_id, exec_id: "x1", process: { Args: ["nope"], Env: ["PATH=/bin"], Cwd: "/" } };
    await expect(pod.client.agent.execProcess(exec)).rejects.toThrow("not found");

    const samples = await scrape();
    const guest = "web";
    expect(sampleValue(samples, "guestd_guest_up", { guest })).toBe(1);
    expect(sampleValue(samples, "guestd_guest_up", { guest: "stuck" })).toBe(0);
    expect(sampleValue(samples, "guestd_guests", { state: "running" })).toBe(2);
    expect(sampleValue(samples, "guestd_guest_calls_total", { guest, method: "CreateContainer" })).toBe(1);
    const failed = { guest, method: "ExecProcess", code: "internal" };
    expect(sampleValue(samples, "guestd_guest_call_errors_total", failed)).toBe(1);
    expect(sampleValue(samples, "guestd_guest_stream_bytes_total", { guest, stream: "stdout" })).toBe(5);
    expect(sampleValue(samples, "guestd_guest_agent_restarts_total", { guest })).toBe(0);
    expect(sampleValue(samples, "guestd_guest_memory_bytes", { guest })).toBe(256 * 2 ** 20);
    const kvm = { accelerator: "kvm" };
    expect(sampleValue(samples, "guestd_boot_duration_seconds_bucket", { ...kvm, le: "0.5" })).toBe(1);
    expect(sampleValue(samples, "guestd_boot_duration_seconds_count", kvm)).toBe(2);
    expect(sampleValue(samples, "guestd_boot_failures_total")).toBe(1);
    await pod.remove(container_id);
    store.removeGuest("stuck"); // each scrape would wait for it
  });

  it("has the metrics and labels of every query of the dashboard", async () => {
    expect(dashboardProblems(await scrape())).toEqual([]);
  });

  it("counts the agent's restarts", async () => {
    await agent.killAgent();
    expect(sampleValue(await scrape(), "guestd_guest_agent_restarts_total", { guest: "web" })).toBe(1);
  });

  it("answers nothing but /metrics, and ends with a signal", async () => {
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404);
    expect((await fetch(`http://127.0.0.1:${port}/metrics`, { method: "POST" })).status).toBe(405);
    served.child.kill();
    expect(await served.ended).toBe(143);
    expect(served.output.stderr).toBe("");
  });

  it("are refused to a page or guest that reaches them under another name", async () => {
    const flags = ["metrics", "--listen", "127.0.0.2:0", "--host", "Metrics.example", "--host", "other"];
    const named = startGuestctl(flags, { env: { XDG_RUNTIME_DIR: runtime } });
    await named.prints(/metrics at http:\S+\n/);
    const [, at] = /:(\d+)\/metrics/.exec(String(named.output.stdout)) ?? [];
    const ask = async (host: string) => {
      const headers = host === "" ? {} : { host };
      const asked = request({ host: "127.0.0.2", port: at, path: "/metrics", headers, setHost: false }).end();
      const [response] = await once(asked, "response");
      response.resume();
      return response.statusCode;
    };
    const own = ["localhost", `127.0.0.1:${at}`, `127.0.0.2:${at}`, "[::1]:1", "metrics.EXAMPLE", "other:80"];
    expect(await Promise.all(own.map(ask))).toEqual(own.map(() => 200));
    const wrong = [
      "evil.example",
      `evil.example:${at}`,
      "127.evil.example",
      "10.0.2.2:1",
      "localhost.evil",
      "[::2]",
      "a@localhost",
    ];
    expect(await Promise.all(wrong.map(ask))).toEqual(wrong.map(() => 403));
    expect(await ask("")).toBe(400);
    named.child.kill();
    expect(await named.ended).toBe(143);
  });

  it("prints them, also of an agent at an address, and serves them on a unix socket", async () => {
    const all = ["metrics", "--all", "--address", agent.address];
    const printed = await runGuestctl(runtime, [...all, "--grep", "guest_up"]);
    const lines = [`guestd_guest_up{guest="web"} 1`, `guestd_guest_up{guest="${agent.address}"} 1`];
    expect(printed).toEqual({ stdout: `${lines.join("\n")}\n`, stderr: "", code: 0 });
    const socketPath = join(agent.directory, "metrics.sock");
    const other = startGuestctl(["metrics", "--listen", `unix:${socketPath}`], { env: { XDG_RUNTIME_DIR: runtime } });
    await other.prints(`metrics at unix:${socketPath}/metrics\n`);
    const [response] = await once(request({ socketPath, path: "/metrics" }).end(), "response");
    expect(await text(response)).toContain('guestd_guest_up{guest="web"} 1');
    other.child.kill();
    expect(await other.ended).toBe(143);
  });
});
