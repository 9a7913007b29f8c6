import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

describeInNamespaces("the guest's hook directory", () => {
  it("provides hooks for every container, after those of its spec, before and after the agent's death", async () => {
    await using machine = await startHostAgent();
    const busybox = `${machine.rootfs("all")}/bin/busybox`;
    const log = join(machine.directory, "log");
    const script = (kind: string) => {
      const directory = join(machine.directory, "hooks", kind);
      mkdirSync(directory, { recursive: true });
      const text = `#!${busybox} sh\necho "$0 $* $(${busybox} cat | ${busybox} grep -o '"status":"[a-z]*"')" >> ${log}\n`;
      writeFileSync(join(directory, "own"), text, { mode: 0o755 });
      return join(directory, "own");
    };
    const kinds = ["prestart", "createRuntime", "createContainer", "poststart", "poststop"] as const;
    const path = Object.fromEntries(kinds.map((kind) => [kind, script(kind)]));
    const status = { poststart: "running", poststop: "stopped" };
    const line = (kind: (typeof kinds)[number]) =>
      `${path[kind]} ${kind} "status":"${kind in status ? status[kind as keyof typeof status] : "creating"}"\n`;
    // A startContainer hook is a program in the container, so none comes from the guest.
    script("startContainer");
    const taken = async () => machine.shell(`cat ${log}; rm -f ${log}`);

    const client = await machine.connect();
    const guest_hook_path = join(machine.directory, "hooks");
    await client.agent.createSandbox({ sandbox_id: "pod", guest_hook_path });
    let pod = new Pod(machine, client);
    await pod.run(["true"]);
    expect(await taken()).toBe(kinds.map(line).join(""));
    expect(machine.console()).toContain(`guest hooks: ${guest_hook_path}/startContainer: not run from the guest`);

    const Prestart = [{ Path: path["prestart"] ?? "", Args: ["x", "of the spec"] }];
    await pod.run(["true"], { Hooks: { Prestart } });
    const own = `${path["prestart"]} of the spec "status":"creating"\n`;
    expect(await taken()).toBe(own + kinds.map(line).join(""));

    await machine.killAgent();
    await client.close();
    pod = new Pod(machine, await machine.connect());
    await pod.run(["true"]);
    expect(await taken()).toBe(kinds.map(line).join(""));
    await pod.client.close();
  });

  it("doesn't prevent CreateSandbox if it is missing", async () => {
    await using machine = await startHostAgent();
    const client = await machine.connect();
    await client.agent.createSandbox({ sandbox_id: "pod", guest_hook_path: "/no/such/hooks" });
    expect((await new Pod(machine, client).run(["echo", "x"])).stdout.toString()).toBe("x\n");
    expect(machine.console()).toMatch(/guest hooks: \/no\/such\/hooks: ENOENT/);
    await client.close();
  });
});
