import { afterAll, beforeAll, it, vi } from "vitest";
import { Sandbox } from "../../host/sdk/index.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { sdkScenarios } from "../scenarios/sdk.ts";
import { startHostAgent } from "./testing/host-agent.ts";

describeInNamespaces("the SDK with an agent of this machine", () => {
  let agent: Awaited<ReturnType<typeof startHostAgent>>;
  let image: string;
  beforeAll(async () => {
    agent = await startHostAgent();
    image = agent.rootfs("image");
    vi.stubEnv("TMPDIR", agent.directory); // the agent sees its own /tmp
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await agent?.[Symbol.asyncDispose]();
  });

  it.each(sdkScenarios)("$name", async ({ run }) => {
    const create = (options = {}) => Sandbox.create({ image: { path: image }, address: agent.address, ...options });
    await run({ Sandbox, create });
  });
});
