import type { CaseGroup } from "../case.ts";
import type { CaseContext } from "../case-context.ts";
import { equal, refused } from "../check.ts";
import { isUnsupported } from "../outcome.ts";

/** Has no rule for StatsContainerRequest. */
const POLICY = `package agent_policy
default SetPolicyRequest := true
default ReadStreamRequest := false
default ExecProcessRequest := false
default WaitProcessRequest := true
default SignalProcessRequest := true
default RemoveContainerRequest := true
`;
const ALLOW_ALL = `${POLICY}default AllowRequestsFailingPolicy := true\n`;

/** Runs a part of a case under the policy, and allows all calls again after it. */
async function underPolicy(context: CaseContext, work: () => Promise<void>): Promise<void> {
  await context.agent.setPolicy({ policy: POLICY }).catch((error: unknown) => {
    if (isUnsupported(error) || /polic/i.test((error as Error).message) === false) throw error;
    context.skip(`the agent accepts no Rego policy: ${(error as Error).message}`);
  });
  try {
    await work();
  } finally {
    await context.agent.setPolicy({ policy: ALLOW_ALL });
  }
}

export const policy: CaseGroup = {
  name: "policy",
  title: "Policy",
  needs: ["rootfs", "own-agent"],
  cases: [
    {
      name: "SetPolicy: a denied call is PERMISSION_DENIED, and its text names the request",
      level: "should",
      source: "genpolicy's tests match the text",
      run: async (context) => {
        const id = await context.sleeper();
        await underPolicy(context, async () => {
          await refused(context.exec(id, ["true"]), {
            codes: ["permission-denied"],
            text: /^ExecProcessRequest is blocked by policy: /,
          });
        });
      },
    },
    {
      name: "SetPolicy: a call without a rule is INTERNAL",
      level: "should",
      source: "error table of the reference",
      run: async (context) => {
        const id = await context.sleeper();
        await underPolicy(context, async () => {
          await refused(context.agent.statsContainer({ container_id: id }), { codes: ["internal"] });
        });
      },
    },
    {
      name: "ReadStdout: denied by policy, it returns no data and no error",
      level: "should",
      source: "error table of the reference",
      run: async (context) => {
        const id = await context.start(["echo", "secret"]);
        await underPolicy(context, async () => {
          const { data } = await context.agent.readStdout({ container_id: id, exec_id: id, len: 100 });
          equal(data.length, 0, "the length of the answer");
        });
      },
    },
    {
      name: "SetPolicy: a text that is no policy is refused, and the old one stays",
      level: "should",
      source: "error table of the reference",
      run: async (context) => {
        const id = await context.sleeper();
        await underPolicy(context, async () => {
          await refused(context.agent.setPolicy({ policy: "no rego" }));
          await refused(context.exec(id, ["true"]), { codes: ["permission-denied"] });
        });
      },
    },
    {
      name: "SetPolicy: AllowRequestsFailingPolicy lets denied calls pass",
      level: "should",
      source: "behaviour of the reference",
      run: async (context) => {
        const id = await context.sleeper();
        await underPolicy(context, async () => {
          await context.agent.setPolicy({ policy: ALLOW_ALL });
          equal((await context.execute(id, "echo on")).stdout, "on\n", "the output of an exec");
        });
      },
    },
  ],
};
