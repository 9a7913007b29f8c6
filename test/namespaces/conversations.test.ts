import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { connect } from "../../host/client/agent-client.ts";
import type { RpcError } from "../../host/client/rpc-error.ts";
import { startScriptedServer } from "../../host/conversation/testing/scripted-server.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { launcher, startGuestctl, startProgram } from "../scenarios/guestctl-process.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

/** Runs a container with an exec, input and both outputs, as a host does. */
async function runContainer(pod: Pod): Promise<void> {
  const id = await pod.start(["sh", "-c", "echo ready; cat; echo oops >&2; exit 3"]);
  const done = pod.finish(id, id);
  const exec = await pod.execute(id, ["sh", "-c", "echo from exec; exit 4"], {
    Env: ["PATH=/bin", "PASSWORD=hunter2"],
  });
  expect([exec.stdout.toString(), exec.status]).toEqual(["from exec\n", 4]);
  await pod.client.agent.statsContainer({ container_id: id });
  await pod.client.agent.writeStdin({ container_id: id, exec_id: id, data: Buffer.from("typed\n") });
  await pod.client.agent.closeStdin({ container_id: id, exec_id: id });
  const { stdout, stderr, status } = await done;
  expect([stdout.toString(), stderr.toString(), status]).toEqual(["ready\ntyped\n", "oops\n", 3]);
  await pod.remove(id);
}

describeInNamespaces("guestctl record and replay", () => {
  it.each([
    ["--redact", "ttrpc", "grpc"],
    ["", "grpc", "ttrpc"],
  ] as const)(
    "a conversation gets the same results from a fresh agent: %s recorded over %s, replayed over %s",
    async (redact, recorded, protocol) => {
      await using machine = await startHostAgent();
      const file = join(machine.directory, "conversation.jsonl");
      const listen = `unix://${machine.directory}/recorded.sock`;
      const flags = redact === "" ? [] : [redact];
      const recorder = startGuestctl(["record", "--listen", listen, "--to", machine.address, ...flags, file]);
      await recorder.prints("^C ends it");
      const pod = await Pod.open(machine, await connect(listen, { protocol: recorded }));
      await runContainer(pod);
      await pod.client.close();
      recorder.child.kill("SIGINT");
      expect([await recorder.ended, recorder.output.stderr]).toEqual([0, ""]);
      expect(readFileSync(file, "utf8").includes("PASSWORD=hunter2")).toBe(redact === "");

      await using fresh = await startHostAgent();
      const replayed = startGuestctl(["replay", "--timeout", "60", "--protocol", protocol, file, fresh.address]);
      expect([await replayed.ended, replayed.output.stdout.toString(), replayed.output.stderr]).toEqual([
        0,
        expect.stringMatching(/^\d+ calls, no difference\n$/),
        "",
      ]);
    },
  );

  it("a full disk ends the recording, which is reported once, and not the relay", async () => {
    await using server = await startScriptedServer({ WriteStdin: () => ({ len: 8192 }) });
    const [listen, full] = [`unix://${server.folder}/recorded.sock`, join(server.folder, "full")];
    mkdirSync(full);
    const file = join(full, "conversation.jsonl");
    const mount = 'mount -t tmpfs -o size=16k tmpfs "$0" && exec "$@"';
    const recorder = startProgram([
      ...["unshare", "--mount", "sh", "-c", mount, full],
      ...[process.execPath, launcher, "record", "--listen", listen, "--to", server.address, file],
    ]);
    await recorder.prints("^C ends it");
    const client = await connect(listen);
    for (let call = 1; call <= 8; call++) {
      const { len } = await client.agent.writeStdin({ container_id: "c", data: Buffer.alloc(8192, "x") });
      expect([call, len]).toEqual([call, 8192]);
    }
    await client.close();
    recorder.child.kill("SIGINT");
    expect(await recorder.ended).toBe(1);
    expect(recorder.output.stderr.split("\n")).toEqual([
      `guestctl: write ${file}: ENOSPC: no space left on device, write; the relay continues without recording`,
      `guestctl: record ${file}: not complete, as reported above`,
      "",
    ]);
  });
});

/** Texts of a call whose connection ended. */
const LOST = { ttrpc: "closed by the agent", grpc: /grpc: (the connection was lost|read ECONNRESET)/ };

describeInNamespaces("guestctl chaos", () => {
  it.each(["ttrpc", "grpc"] as const)(
    "over %s, delays a read, fails a creation, cuts a response and kills the agent; the container keeps its output",
    async (protocol) => {
      await using machine = await startHostAgent();
      const listen = `unix://${machine.directory}/chaos.sock`;
      const rules = [
        "call=ReadStdout,nth=1,delay=300ms",
        'call=ExecProcess,nth=1,fail=RESOURCE_EXHAUSTED:"not now, later"',
        "call=StatsContainer,direction=response,nth=1,cut=12",
        `call=WriteStdin,nth=1,kill=${await machine.agentPid()}`,
      ];
      const flags = rules.flatMap((rule) => ["--rule", rule]);
      const chaos = startGuestctl(["chaos", "--listen", listen, "--to", machine.address, "--seed", "1", ...flags]);
      await chaos.prints(`${listen} -> ${machine.address}, seed 1; ^C ends it\n`);
      const pod = await Pod.open(machine, await connect(listen, { protocol }));
      const id = await pod.start(["sh", "-c", "echo ready; cat"]);

      const begun = performance.now();
      const first = await pod.client.agent.readStdout({ container_id: id, exec_id: id, len: 100 });
      expect([Buffer.from(first.data).toString(), performance.now() - begun >= 295]).toEqual(["ready\n", true]);
      await expect(pod.exec(id, ["true"])).rejects.toThrow("not now, later");
      expect((await pod.execute(id, ["true"])).status).toBe(0);
      await expect(pod.client.agent.statsContainer({ container_id: id })).rejects.toThrow(LOST[protocol]);
      await pod.client.closed;

      const typed = { container_id: id, exec_id: id, data: Buffer.from("typed\n") };
      await using killed = await connect(listen, { protocol });
      // A ttRPC connection that has carried a call outlives the agent, so the next agent serves the request.
      await killed.health.check({});
      const written = await killed.agent.writeStdin(typed).catch((error: RpcError) => error.kind);
      expect(written).toEqual(protocol === "ttrpc" ? { len: 6 } : "unavailable");
      await using client = protocol === "ttrpc" ? killed : await connect(listen, { protocol });
      if (protocol === "grpc") await client.agent.writeStdin(typed);
      const { data } = await client.agent.readStdout({ container_id: id, exec_id: id, len: 100 });
      expect(Buffer.from(data).toString()).toBe("typed\n");
      await client.agent.removeContainer({ container_id: id });
      chaos.child.kill("SIGINT");
      expect(await chaos.ended).toBe(0);
      for (const rule of rules) expect(chaos.output.stderr).toContain(`: ${rule}\n`);
    },
  );
});
