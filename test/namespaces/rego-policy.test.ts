import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { loadRego, type RegoModule } from "../../agent/service/policy/rego-module.ts";
import { regoPolicy } from "../../agent/service/policy/rego-policy.ts";
import { connect } from "../../host/client/agent-client.ts";
import { regoEngine, whyNoRego } from "../../rootfs-builder/image/rego-engine.ts";
import { whyNoNamespaces } from "../init/testing/harness.ts";
import { makeServicePlace } from "./testing/service-agent.ts";

const repository = join(import.meta.dirname, "../..");
const noRego = await whyNoRego();

describe.skipIf(noRego !== undefined)(`policies in Rego${noRego === undefined ? "" : `: skipped, ${noRego}`}`, () => {
  let path: string;
  let rego: RegoModule;
  beforeAll(async () => {
    path = await regoEngine(repository);
    rego = loadRego(path);
  }, 180_000);

  function read(rules: string, kept?: string) {
    const data: string[] = [];
    const engine = regoPolicy(rego, `package agent_policy\n${rules}`, { kept, keep: (text) => data.push(text) });
    return { data, ask: (request: string, input: unknown = {}) => engine.ask(request, () => JSON.stringify(input)) };
  }

  it("evaluate the request's rule with its fields, and report printed text as the reason", () => {
    const policy = read(`default ExecProcessRequest := false
ExecProcessRequest if {
  print("command", input.process.Args)
  input.process.Args[0] in {"ls", "ps"}
  every arg in input.process.Args { not regex.match("[;&]", arg) }
}`);
    expect(policy.ask("ExecProcessRequest", { process: { Args: ["ls", "-l"] } }).allowed).toBe(true);
    const denied = policy.ask("ExecProcessRequest", { process: { Args: ["sh"] } });
    expect(denied).toEqual({ allowed: false, reason: expect.stringContaining('command ["sh"]') });
  });

  it("keep their own data, which an allowed request changes and the next agent gets", () => {
    const rules = `StartContainerRequest := {"ops": [{"op": "add", "path": "/pstate/started", "value": input.container_id}], "allowed": true} if {
  not data.pstate.started
}
RemoveContainerRequest := {"ops": [{"op": "remove", "path": "/pstate/started"}], "allowed": input.container_id == data.pstate.started}`;
    const policy = read(rules);
    expect(policy.ask("StartContainerRequest", { container_id: "c" }).allowed).toBe(true);
    expect(policy.data).toEqual(['{"pstate":{"started":"c"}}']);
    expect(() => policy.ask("StartContainerRequest", { container_id: "d" })).toThrow("no rule of that name");

    const next = read(rules, policy.data[0]);
    expect(next.ask("RemoveContainerRequest", { container_id: "x" }).allowed).toBe(false);
    expect(next.data, "a denied request changes nothing").toEqual([]);
    expect(next.ask("RemoveContainerRequest", { container_id: "c" }).allowed).toBe(true);
    expect(next.data).toEqual(['{"pstate":{}}']);
  });

  it("fail a request whose rule has no boolean result or doesn't exist", () => {
    const policy = read('A := "yes"\nB := {"ops": []}');
    for (const request of ["A", "B", "C"]) {
      expect(() => policy.ask(request), request).toThrow(expect.objectContaining({ kind: "internal" }));
    }
  });

  it("allow everything with AllowRequestsFailingPolicy", () => {
    const policy = read("default AllowRequestsFailingPolicy := true\ndefault A := false");
    expect(policy.ask("A").allowed).toBe(true);
    expect(policy.ask("B").allowed).toBe(true);
  });

  it("are refused with the line if they are wrong, and the previous policy stays", () => {
    const policy = read("default A := true");
    const wrong = () => regoPolicy(rego, "package agent_policy\nA if {", { kept: undefined, keep: () => undefined });
    expect(wrong).toThrow(expect.objectContaining({ kind: "invalid-argument", message: expect.stringMatching(/:2:/) }));
    expect(policy.ask("A").allowed).toBe(true);
  });

  it("are evaluated by a real agent, before and after its death", async (context) => {
    const why = whyNoNamespaces();
    if (why !== undefined) context.skip(why);
    await using place = makeServicePlace();
    const sysNode = join(place.directory, "sys.node");
    for (const name of ["sys.node", "seccomp.node"]) {
      copyFileSync(join(repository, "build/native", name), join(place.directory, name));
    }
    copyFileSync(path, join(place.directory, "rego.wasm"));
    const address = `unix://@guestd-rego-${process.pid}`;
    const service = place.start({ KATA_AGENT_SERVER_ADDR: address, GUESTD_SYS_NODE: sysNode });
    await service.listening();
    let client = await connect(address);
    const policy = `package agent_policy
default DestroySandboxRequest := true
CreateSandboxRequest := {"ops": [{"op": "add", "path": "/pstate/id", "value": input.sandbox_id}], "allowed": true}
CopyFileRequest if { input.file_type == "Symlink"; input.symlink_target == data.pstate.id }`;
    await client.agent.setPolicy({ policy });
    await client.agent.createSandbox({ sandbox_id: "pod" });
    const link = (target: string) =>
      client.agent.copyFile({
        path: "/run/kata-containers/shared/containers/link",
        file_mode: 0o120777,
        dir_mode: 0o755,
        data: Buffer.from(target),
        file_size: target.length,
      });
    await link("pod");
    await expect(link("/etc")).rejects.toMatchObject({ code: 13 });
    process.kill(service.children()[0] ?? -1, "SIGKILL");
    await service.listening(2);
    await client.close();
    client = await connect(address);
    await link("pod");
    await expect(link("/etc")).rejects.toMatchObject({ code: 13 });
    await expect(client.agent.setPolicy({ policy: "" })).rejects.toMatchObject({ code: 13 });
    await client.agent.destroySandbox({});
    expect(await service.exited).toEqual({ code: 0, signal: null });
    await client.close();
  });
});
