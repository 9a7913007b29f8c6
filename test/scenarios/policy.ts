import { expect } from "vitest";
import type { Pod } from "./pod.ts";

const INVALID_ARGUMENT = 3;
const PERMISSION_DENIED = 7;
const INTERNAL = 13;

/** Has no rule for StatsContainerRequest. */
const POLICY = `package agent_policy
default SetPolicyRequest := true
default ReadStreamRequest := false
default ExecProcessRequest := false
default WaitProcessRequest := true
`;

/**
 * Checks the rows of behaviour.md 2.1 that need a policy; the others are in error-table.ts. Leaves a policy that allows
 * every call.
 */
export async function policyScenario(pod: Pod): Promise<void> {
  const container_id = await pod.start(["echo", "secret"]);
  const ids = { container_id, exec_id: container_id };
  const { agent } = pod.client;

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
}
