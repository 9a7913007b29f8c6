import { expect, test } from "vitest";
import type { CodeName } from "../../proto/codes.ts";
import { RpcError } from "../client/rpc-error.ts";
import { agentReplaced, openSandbox } from "./open-sandbox.ts";

let addresses = 0;

/** Returns the outcomes of further sessions with one agent, and the number of CreateSandbox calls. */
async function outcomes(
  refusals: readonly (CodeName | undefined)[],
  { runsContainers = false, isOwn = false, isReplaced = false } = {},
): Promise<unknown[]> {
  const agent = { address: `unix:///agent-${++addresses}`, isOwn, [Symbol.asyncDispose]: async () => undefined };
  const list: unknown[] = [];
  let calls = 0;
  for (const _ of refusals) {
    const create = async () => {
      const code = refusals[calls++];
      if (code !== undefined) throw new RpcError(code, code);
    };
    const outcome = await openSandbox(agent, { create, runsContainers: async () => runsContainers });
    list.push(outcome instanceof RpcError ? outcome.message : outcome);
    if (isReplaced) agentReplaced(agent);
  }
  return [...list, calls];
}

test("a running agent's sandbox is created once, however it would refuse a second one", async () => {
  expect(await outcomes([undefined, "internal"])).toEqual(["created", "created", 1]);
});

test("a running agent had a sandbox if it says so, or refuses one and runs containers", async () => {
  expect(await outcomes(["already-exists"])).toEqual(["existed", 1]);
  expect(await outcomes(["internal", "internal"], { runsContainers: true })).toEqual(["existed", "existed", 1]);
  expect(await outcomes(["internal", undefined])).toEqual(["internal", "created", 2]);
  expect(await outcomes(["unimplemented"], { runsContainers: true })).toEqual(["unimplemented", 1]);
});

test("an agent that the suite has started has had no sandbox before", async () => {
  expect(await outcomes(["internal"], { runsContainers: true, isOwn: true })).toEqual(["internal", 1]);
});

test("an agent that has taken over is asked again, with or without the sandbox", async () => {
  expect(await outcomes([undefined, "already-exists", undefined], { isReplaced: true })).toEqual([
    ...["created", "created", "created", 3],
  ]);
});
