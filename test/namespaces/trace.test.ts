import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { Pod } from "../scenarios/pod.ts";
import { readSpans } from "../scenarios/read-spans.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CALLER = "b7ad6b7169203331";

describeInNamespaces("an agent that traces its calls", () => {
  it.each(["ttrpc", "grpc"] as const)("sends a call's span as the child of its caller's, over %s", async (protocol) => {
    await using machine = await startHostAgent({ config: "trace = true" });
    const metadata = { traceparent: `00-${TRACE}-${CALLER}-01` };
    await using client = await machine.connect({ protocol });
    // No collector listens yet: spans wait, calls don't.
    const pod = await Pod.open(machine, client);
    const container_id = await pod.start(["sleep", "1000"]);
    const process = { Args: ["nope"], Env: ["PATH=/bin"], Cwd: "/" };
    const exec = client.agent.execProcess({ container_id, exec_id: "x1", process }, { metadata });
    await expect(exec).rejects.toThrow("executable file not found");
    await client.health.check({}, { metadata: { traceparent: `00-${TRACE}-${CALLER}-00` } });
    const collector = createServer().listen(`${machine.address.slice("unix://".length)}_10240`);
    const [socket] = (await once(collector, "connection")) as [Socket];
    const spans = await readSpans(socket, ({ name }) => name === "grpc.AgentService/ExecProcess");

    const called = spans.find(({ name }) => name === "grpc.AgentService/ExecProcess");
    expect(called).toMatchObject({
      trace: TRACE,
      parent: CALLER,
      kind: 2,
      attributes: {
        "rpc.method": "ExecProcess",
        "container.id": container_id,
        "process.exec_id": "x1",
        "rpc.grpc.status_code": 13,
      },
      status: { code: 2, message: expect.stringContaining("executable file not found") },
    });
    const create = spans.find(({ name }) => name === "grpc.AgentService/CreateContainer");
    const steps = spans.filter(({ parent }) => parent === create?.id);
    expect(create).toMatchObject({ parent: "", status: undefined, service: "guestd" });
    expect(steps.map(({ name }) => name)).toEqual([
      "attach devices",
      "mount storages",
      "make cgroup",
      "launch process",
      "share mounts",
    ]);
    for (const { began, ended, trace } of steps) {
      expect(trace).toBe(create?.trace);
      // Nanoseconds; a double has a precision of about 256 here.
      expect(began).toBeGreaterThanOrEqual((create?.began ?? 0) - 512);
      expect(ended).toBeLessThanOrEqual((create?.ended ?? 0) + 512);
      expect(Math.abs(ended / 1e6 - Date.now())).toBeLessThan(60_000);
    }
    expect(
      spans.map(({ name }) => name),
      "the caller doesn't sample",
    ).not.toContain("grpc.Health/Check");
    expect((await client.agent.getMetrics({})).metrics).toMatch(/^guestd_trace_spans_total [1-9]\d*$/m);
    socket.destroy();
    collector.close();
    await pod.remove(container_id);
  });
});
