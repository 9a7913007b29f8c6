import { expect, test } from "vitest";
import type { ConformanceCase } from "./case.ts";
import { equal } from "./check.ts";
import { compareRuns } from "./compare-runs.ts";
import { comparisonPage, comparisonText } from "./report/comparison.ts";
import { runSuite } from "./run-suite.ts";
import { defaultSelection } from "./selection.ts";
import { addressTarget } from "./target/address-target.ts";
import { Answer, type Handlers, MINIMAL, startMinimalAgent } from "./testing/minimal-agent.ts";

function one(name: string, run: ConformanceCase["run"]): ConformanceCase {
  return { name, level: "must", source: "test", run };
}

const cases = [
  one("Check: a", async ({ health }) => equal((await health.check({})).status, 1, "the status")),
  one("Version: b", ({ health }) => health.version({})),
  one("WaitProcess: c", ({ agent }) => agent.waitProcess({})),
  one("WaitProcess: d", ({ agent }) => agent.waitProcess({}).catch(() => undefined)),
  one("GetOOMEvent: e", (context) => context.agent.getOOMEvent({})),
];

async function run(handlers: Handlers) {
  await using agent = await startMinimalAgent({ ...MINIMAL, ...handlers });
  const groups = [{ name: "group", title: "Group", cases }];
  return await runSuite({
    target: addressTarget(agent.address),
    groups,
    selection: { ...defaultSelection(), seed: 1 },
  });
}

test("names the first field that differs of each case: its state, or one of a response", async () => {
  const a = await run({ WaitProcess: () => ({ status: 7 }), GetOOMEvent: () => ({ container_id: "conf-abc-1-2-3" }) });
  const b = await run({
    Check: () => ({ status: 2 }),
    Version: () => ({ agent_version: "9.9.9", grpc_version: "0.0.1" }),
    WaitProcess: () => {
      throw new Answer("not-found", "no <process>");
    },
    GetOOMEvent: () => ({ container_id: "conf-xyz-4-5-6" }),
  });
  expect(compareRuns(a, a).differences).toEqual([]);
  const compared = compareRuns(a, b);
  expect(compared.differences.map(({ name, states, field, values }) => [name, states, field, values])).toEqual([
    ["Check: a", ["passed", "failed"], "state", ["passed", "failed: the status differs"]],
    ["WaitProcess: c", ["passed", "failed"], "state", ["passed", "failed: no <process>"]],
    ["WaitProcess: d", ["passed", "passed"], "WaitProcess.error", [null, { code: "not-found", text: "no <process>" }]],
  ]);
  expect(comparisonText(compared)).toBe(
    [
      "must ttrpc  Check: a: state: A passed, B failed: the status differs",
      "must ttrpc  WaitProcess: c: state: A passed, B failed: no <process>",
      'must ttrpc  WaitProcess: d: WaitProcess.error: A none, B {"code":"not-found","text":"no <process>"}',
      "3 of 5 cases differ",
      "",
    ].join("\n"),
  );
  expect(comparisonPage(compared)).toContain("<td>failed: no &lt;process&gt;</td>");
});
