import { describe, expect, it } from "vitest";
import { whyNoNamespaces } from "../init/harness.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./host-agent.ts";

const reason = whyNoNamespaces();
const INVALID_ARGUMENT = 3;
const PERMISSION_DENIED = 7;
const INTERNAL = 13;

/** No rule for StatsContainerRequest. */
const POLICY = `package agent_policy
default SetPolicyRequest := true
default ReadStreamRequest := false
default ExecProcessRequest := false
default WaitProcessRequest := true
`;

/** The rows of behaviour.md 2.1 that need a policy; the others are in test/scenarios/error-table.ts. */
describe(`a policy${reason === undefined ? "" : ` (skipped: ${reason})`}`, { skip: reason !== undefined }, () => {
  it.each(["ttrpc", "grpc"] as const)(
    "denies with the codes and texts that are expected, over %s",
    async (protocol) => {
      await using machine = await startHostAgent();
      await using client = await machine.connect({ protocol });
      const pod = await Pod.open(machine, client);
      const container_id = await pod.start(["echo", "secret"]);
      const ids = { container_id, exec_id: container_id };
      const { agent } = client;

      await expect(agent.setPolicy({ policy: "no rego" })).rejects.toMatchObject({ code: INVALID_ARGUMENT });
      await agent.setPolicy({ policy: POLICY });
      const exec = agent.execProcess({ ...ids, exec_id: "x", process: { Args: ["true"] } });
      await expect(exec).rejects.toMatchObject({
        code: PERMISSION_DENIED,
        message: expect.stringMatching(/^ExecProcessRequest is blocked by policy: /),
      });
      await expect(agent.statsContainer({ container_id })).rejects.toMatchObject({ code: INTERNAL });
      expect((await agent.readStdout({ ...ids, len: 100 })).data).toHaveLength(0);
      expect((await agent.waitProcess(ids)).status).toBe(0);

      await agent.setPolicy({ policy: `${POLICY}default AllowRequestsFailingPolicy := true\n` });
      expect((await agent.readStdout({ ...ids, len: 100 })).data).toEqual(Buffer.from("secret\n"));
      await agent.removeContainer({ container_id });
    },
  );
});
