import { expect, test } from "vitest";
import type { CaseGroup, ConformanceCase } from "../../../host/conformance/case.ts";
import { equal, holds } from "../../../host/conformance/check.ts";
import { addressTarget } from "../../../host/conformance/target/address-target.ts";
import { startScriptedServer } from "../../../host/conversation/testing/scripted-server.ts";
import { type Fault, fault, response } from "./fault.ts";
import { faultTable, readFaultTable, withFaultTable } from "./fault-table.ts";
import { runFaults } from "./run-faults.ts";

function one(name: string, run: ConformanceCase["run"]): ConformanceCase {
  return { name, level: "must", source: "test", run };
}

/** Three cases, of which one fails without a fault too. */
const group: CaseGroup = {
  name: "group",
  title: "Group",
  cases: [
    one("Check: answers SERVING", async ({ health }) => equal((await health.check({})).status, 1, "the status")),
    one("ReadStdout: returns output", async ({ agent }) => {
      equal(Buffer.from((await agent.readStdout({ len: 10 })).data).toString(), "hello", "the output");
    }),
    one("ReadStderr: returns output", async () => holds(false, "it passes")),
  ],
};

test("tells which faults the cases that should catch them catch", async () => {
  const notServing = response("Check", () => ({ status: 2 }));
  const faults: Fault[] = [
    fault("Check: answers NOT_SERVING", /^Check/, notServing),
    fault("Check: has no effect", /^Check/, {}),
    fault("Check: is expected elsewhere", /^ReadStdout/, notServing),
    fault("ReadStderr: is a case that fails anyhow", /^ReadStderr/, notServing),
  ];
  await using server = await startScriptedServer({
    Check: () => ({ status: "SERVING" }),
    ReadStdout: () => ({ data: Buffer.from("hello").toString("base64") }),
  });
  const results = await runFaults(faults, { target: addressTarget(server.address), groups: [group] });
  expect(results.map(({ caughtBy, cases, changes }) => [caughtBy, cases, changes > 0])).toEqual([
    [["Check: answers SERVING"], 1, true],
    [[], 1, false],
    [[], 1, true],
    [[], 0, false],
  ]);
  const table = faultTable(results);
  expect(table).toBe(
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
  const page = withFaultTable(`# Page\n\n${faultTable([])}| old | row |\n\nText\n`, table);
  expect(page).toBe(`# Page\n\n${table}\nText\n`);
  expect([...readFaultTable(page).values()]).toEqual(["Check: answers SERVING", undefined, undefined, undefined]);
});
