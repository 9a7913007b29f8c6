import { expect, test } from "vitest";
import { connect } from "../../../host/client/agent-client.ts";
import { startScriptedServer } from "../../../host/conversation/testing/scripted-server.ts";
import { type Fault, fault, response } from "./fault.ts";
import { type CaseState, faultTable, runFaults } from "./run-faults.ts";

/** A suite of three cases, of which one fails anyhow. */
async function suite(address: string): Promise<readonly CaseState[]> {
  await using client = await connect(address);
  const { status } = await client.health.check({});
  const { data } = await client.agent.readStdout({ len: 10 });
  const state = (passes: boolean) => (passes ? "passed" : "failed");
  return [
    { name: "Check: answers SERVING", state: state(status === 1) },
    { name: "ReadStdout: returns output", state: state(Buffer.from(data).toString() === "hello") },
    { name: "ReadStderr: returns output", state: "failed" },
  ];
}

async function startAgent() {
  const server = await startScriptedServer({
    Check: () => ({ status: "SERVING" }),
    ReadStdout: () => ({ data: Buffer.from("hello").toString("base64") }),
  });
  return {
    address: server.address,
    directory: server.folder,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

test("tells which faults the cases that should catch them catch", async () => {
  const notServing = response("Check", () => ({ status: 2 }));
  const faults: Fault[] = [
    fault("Check: answers NOT_SERVING", /^Check/, notServing),
    fault("Check: has no effect", /^Check/, {}),
    fault("Check: is expected elsewhere", /^ReadStdout/, notServing),
    fault("ReadStderr: is a case that fails anyhow", /^ReadStderr/, notServing),
  ];
  const results = await Array.fromAsync(runFaults(faults, startAgent, suite));
  expect(results.map(({ failed, caught, cases, changes }) => [failed, caught, cases, changes])).toEqual([
    [["Check: answers SERVING"], true, 1, 1],
    [[], false, 1, 0],
    [["Check: answers SERVING"], false, 1, 1],
    [["Check: answers SERVING"], false, 0, 1],
  ]);
  expect(faultTable(results)).toBe(
    [
      "| fault | first case that fails |",
      "|---|---|",
      "| Check: answers NOT_SERVING | Check: answers SERVING |",
      "| Check: has no effect | **not caught** |",
      "| Check: is expected elsewhere | **not caught** |",
      "| ReadStderr: is a case that fails anyhow | no case runs here |",
      "",
    ].join("\n"),
  );
});
