import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it, onTestFinished } from "vitest";
import { startGuestctl } from "../../scenarios/guestctl-process.ts";
import type { ReadSpan } from "../../scenarios/read-spans.ts";
import { startHostAgent } from "./host-agent.ts";

const program = join(import.meta.dirname, "../testdata/traced-program.ts");
const AGENT_CREATE = "grpc.AgentService/CreateContainer";
const ATTACH = "guestd.v1.Streams/Attach";

/** A collector that tests can ask for its spans. */
export interface TraceCollector extends AsyncDisposable {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  /** Resolves with all spans so far once one satisfies `isLast`. */
  until(isLast: (span: ReadSpan) => boolean): Promise<readonly ReadSpan[]>;
}

/** Tests the traces of a program with the SDK, with any collector. */
export function sdkTraceTests(open: () => Promise<TraceCollector>): void {
  it("makes one trace of each call: the SDK's span, the agent's calls in it, and the steps of their launches", async () => {
    await using agent = await startHostAgent({ config: "trace = true" });
    await using collector = await open();
    const traces = startGuestctl(["traces", "--address", agent.address, "--to", collector.url]);
    onTestFinished(() => void traces.child.kill());
    await traces.prints(`spans of ${agent.address} -> ${collector.url}/v1/traces`);
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_SERVICE_NAME: "my-program",
      TMPDIR: agent.directory,
    };
    const args = [program, agent.address, agent.rootfs("image")];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, ...env } });
    expect(stdout).toBe(
      'hello\nexec "nonsense" in sandbox traced: exec "nonsense": executable file not found in $PATH \nnumber\n',
    );

    await collector.until(({ name }) => name === "grpc.AgentService/RemoveContainer");
    const spans = await collector.until(({ name }) => name === "Sandbox.stop");
    const named = (name: string) => spans.filter((span) => span.name === name);
    const one = (name: string): ReadSpan => {
      expect(named(name), name).toHaveLength(1);
      return named(name)[0] as ReadSpan;
    };
    const childrenOf = (parent: ReadSpan) =>
      spans.filter(({ trace, parent: id }) => trace === parent.trace && id === parent.id).map(({ name }) => name);

    const create = one("Sandbox.create");
    expect(create).toMatchObject({ service: "my-program", parent: "", kind: 3, status: undefined });
    expect(childrenOf(create)).toEqual(expect.arrayContaining([AGENT_CREATE, "grpc.AgentService/StartContainer"]));
    const created = one(AGENT_CREATE);
    expect(created).toMatchObject({ service: "guestd", kind: 2, attributes: { "container.id": "traced" } });
    expect(childrenOf(created)).toEqual([
      "attach devices",
      "mount storages",
      "make cgroup",
      "launch process",
      "share mounts",
    ]);

    const [exec, failed] = named("Sandbox.exec") as [ReadSpan, ReadSpan];
    expect(exec).toMatchObject({ attributes: { "container.id": "traced" }, status: undefined });
    expect(failed).toMatchObject({ status: { code: 2, message: expect.stringContaining("not found in $PATH") } });
    for (const each of [exec, failed]) {
      expect(childrenOf(each)).toEqual([ATTACH]);
      const attached = named(ATTACH).find(({ parent }) => parent === each.id) as ReadSpan;
      expect(childrenOf(attached)).toEqual(["launch process"]);
      expect(attached.began).toBeGreaterThanOrEqual(each.began - 1e6);
    }
    expect(childrenOf(one("Sandbox.stats"))).toEqual(["grpc.AgentService/StatsContainer"]);
    expect(childrenOf(one("Sandbox.stop"))).toEqual(["grpc.AgentService/RemoveContainer"]);
    traces.child.kill();
    expect(await traces.ended).toBe(143);
    expect(traces.output.stderr).toBe("");
    expect(new Set([create, exec, failed].map(({ trace }) => trace)).size, "separate calls are separate traces").toBe(
      3,
    );
  });
}
