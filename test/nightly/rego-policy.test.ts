import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { repositoryRoot } from "../../host/vm/paths.ts";
import { whyNoRego } from "../../rootfs-builder/image/rego-engine.ts";
import { buildRecipe } from "../../rootfs-builder/recipe/recipe-tasks.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { Pod } from "../scenarios/pod.ts";
import { startGuestMachine } from "../vm/testing/guest-machine.ts";

const noRego = await whyNoRego();

/** Allows one container at a time, with one command, one exec command, and no other policy. */
const POLICY = `package agent_policy
import rego.v1

default AllowRequestsFailingPolicy := false
default CreateContainerRequest := false
default ExecProcessRequest := false
default SetPolicyRequest := false
default CreateSandboxRequest := true
default StartContainerRequest := true
default ReadStreamRequest := true
default WaitProcessRequest := true
default SignalProcessRequest := true

CreateContainerRequest := {"ops": [{"op": "add", "path": "/pstate/running", "value": input.container_id}], "allowed": true} if {
  print("pstate:", data.pstate)
  print("args:", input.OCI.Process.Args)
  not data.pstate.running
  input.OCI.Process.Args == ["sleep", "1000"]
  every mount in input.OCI.Mounts { mount.type_ in {"proc", "sysfs", "tmpfs", "devpts", "mqueue"} }
}

ExecProcessRequest if regex.match("^echo [a-z]+$", concat(" ", input.process.Args))

RemoveContainerRequest := {"ops": [{"op": "remove", "path": "/pstate/running"}], "allowed": input.container_id == data.pstate.running}
`;

describe.skipIf(noRego !== undefined)(
  `a guest with a policy in its image${noRego === undefined ? "" : `: skipped, ${noRego}`}`,
  () => {
    let directory = "";
    let machine: Awaited<ReturnType<typeof startGuestMachine>>;
    beforeAll(async () => {
      directory = makeWorkDirectory("rego");
      writeFileSync(join(directory, "policy.rego"), POLICY);
      const sources = [{ file: "policy.rego", to: "/etc/kata-opa/default-policy.rego" }];
      const recipe = { name: "rego", options: { policy: true, debug: true }, sources };
      writeFileSync(join(directory, "rego.json"), JSON.stringify(recipe));
      const to = join(directory, "built");
      await buildRecipe(join(directory, "rego.json"), { root: repositoryRoot, to });
      machine = await startGuestMachine(512, { image: join(to, "image/guest.img") });
    });
    afterAll(async () => {
      await machine?.[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    });

    const blocked = (request: string, reason = "") => ({
      kind: "permission-denied",
      message: expect.stringMatching(new RegExp(`^${request} is blocked by policy: .*${reason}`)),
    });

    it("evaluates each request by its rule and the state that earlier requests left, also after the agent's death", async () => {
      let client = await machine.connect();
      let pod = await Pod.open(machine, client);
      await expect(pod.create(["sh"])).rejects.toMatchObject(blocked("CreateContainerRequest", 'args: \\["sh"\\]'));
      const id = await pod.start(["sleep", "1000"]);
      const pstate = `pstate: \\{"running": "${id}"\\}`;
      await expect(pod.create(["sleep", "1000"])).rejects.toMatchObject(blocked("CreateContainerRequest", pstate));
      expect((await pod.execute(id, ["echo", "judged"])).stdout.toString()).toBe("judged\n");
      await expect(pod.execute(id, ["echo", "../x"])).rejects.toMatchObject(blocked("ExecProcessRequest"));
      const other = { policy: "package agent_policy\ndefault AllowRequestsFailingPolicy := true\n" };
      await expect(client.agent.setPolicy(other)).rejects.toMatchObject(blocked("SetPolicyRequest"));
      await expect(client.agent.statsContainer({ container_id: id })).rejects.toMatchObject({ kind: "internal" });

      await machine.killAgent();
      await client.close();
      client = await machine.connect();
      pod = new Pod(machine, client);
      await expect(pod.create(["sleep", "1000"])).rejects.toMatchObject(blocked("CreateContainerRequest", pstate));
      await expect(client.agent.removeContainer({ container_id: "other" })).rejects.toMatchObject(
        blocked("RemoveContainerRequest"),
      );
      await pod.remove(id);
      const next = await pod.start(["sleep", "1000"]);
      expect((await pod.execute(next, ["echo", "again"])).stdout.toString()).toBe("again\n");
      await pod.remove(next);
      await client.close();
    });
  },
);
