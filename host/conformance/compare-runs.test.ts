import { readFileSync } from "node:fs";
import { join } from "node:path";
import Ajv2020 from "ajv/dist/2020.js";
import { expect, test } from "vitest";
import type { CodeName } from "../../proto/codes.ts";
import type { ConformanceCase } from "./case.ts";
import { equal } from "./check.ts";
import { compareRuns, isAsExpected } from "./compare-runs.ts";
import type { KnownFailures } from "./known-failures.ts";
import { comparisonPage, comparisonText } from "./report/comparison.ts";
import { comparisonJson } from "./report/comparison-json.ts";
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

/** Runs cases against an agent with these calls, and with this list of known failures. */
async function run(handlers: Handlers, knownFailures: KnownFailures = new Map(), of = cases) {
  await using agent = await startMinimalAgent({ ...MINIMAL, ...handlers });
  const groups = [{ name: "group", title: "Group", cases: of }];
  return await runSuite({
    target: addressTarget(agent.address),
    groups,
    selection: { ...defaultSelection(), seed: 1 },
    knownFailures,
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

test("only calls that both reports have kept are compared", async () => {
  const last = (request: unknown) => Number((request as { container_id: string }).container_id.split("-").at(-1));
  let first = 1;
  const many = one("WaitProcess: many", async (context) => {
    const ids = Array.from({ length: 120 }, () => context.fresh());
    const turned = [...ids.slice(first), ...ids.slice(0, first)];
    for (const container_id of turned) await context.agent.waitProcess({ container_id });
  });
  const WaitProcess = (request: unknown) => ({ status: last(request) });
  const a = await run({ WaitProcess }, new Map(), [many]);
  first = 30;
  const b = await run({ WaitProcess }, new Map(), [many]);
  expect([a.results[0]?.droppedCalls, b.results[0]?.droppedCalls]).toEqual([40, 40]);
  expect(compareRuns(a, b).differences).toEqual([]);
  const other = await run({ WaitProcess: () => ({ status: 200 }) }, new Map(), [many]);
  expect(compareRuns(a, other).differences).toMatchObject([{ field: "WaitProcess.status" }]);
});

test("calls that a case makes at the same time are paired by their requests, in whatever order they were made", async () => {
  const both = one("WaitProcess: both", async (context) => {
    const ids = [context.fresh(), context.fresh()];
    const waited = ids.map(async (container_id) => {
      await context.agent.statsContainer({ container_id });
      return (await context.agent.waitProcess({ container_id })).status;
    });
    equal(await Promise.all(waited), [1, 2], "the statuses");
  });
  const place = (request: unknown) => Number((request as { container_id: string }).container_id.at(-1));
  /** The container at this place has statistics only once the other one is waited for. */
  const later = (last: number): Handlers => {
    const waits = Promise.withResolvers<void>();
    return {
      StatsContainer: async (request) => {
        if (place(request) === last) await waits.promise;
        return {};
      },
      WaitProcess: (request) => {
        waits.resolve();
        return { status: place(request) };
      },
    };
  };
  const [a, b] = [await run(later(1), undefined, [both]), await run(later(2), undefined, [both])];
  const waits = ({ results: [result] }: typeof a) =>
    result?.calls.filter(({ call }) => call.endsWith("WaitProcess")).map(({ request }) => place(request));
  expect([waits(a), waits(b)]).toEqual([
    [2, 1],
    [1, 2],
  ]);
  expect(compareRuns(a, b).differences).toEqual([]);
});

test("the text of a time limit is not compared, as the agent or the suite ends the call first", async () => {
  const limited = one("WaitProcess: limited", ({ agent }) => agent.waitProcess({}, { timeoutMs: 50 }).catch(() => {}));
  const refusing = (code: CodeName) => () => {
    throw new Answer(code, "too late");
  };
  const own = await run({ WaitProcess: () => undefined }, undefined, [limited]);
  const itself = await run({ WaitProcess: refusing("deadline-exceeded") }, undefined, [limited]);
  expect(compareRuns(own, itself).differences).toEqual([]);
  const other = await run({ WaitProcess: refusing("canceled") }, undefined, [limited]);
  expect(compareRuns(own, other).differences).toMatchObject([
    { field: "WaitProcess.error.code", values: ["deadline-exceeded", "canceled"] },
  ]);
});

test("a known difference is as expected; one in the list that is gone isn't", async () => {
  const known = new Map([
    ["Check: a", "serves later"],
    ["Version: b", "was another one"],
  ]);
  const compare = async (a: Handlers, b: Handlers) => compareRuns(await run(a, known), await run(b, known));
  const later = await compare({}, { Check: () => ({ status: 2 }) });
  expect(comparisonText(later)).toBe(
    [
      "must ttrpc  Check: a: state: A passed, B failed: the status differs (known: serves later)",
      "PASSED  must ttrpc  Version: b: it is in the list of known failures, but passes at both; remove it from there",
      "1 of 5 cases differ, 1 of them known",
      "",
    ].join("\n"),
  );
  expect([isAsExpected(later), isAsExpected({ ...later, outdated: [] })]).toEqual([false, true]);
  expect(isAsExpected({ ...later, outdated: [], problems: ["A: group tty over ttrpc: no agent"] })).toBe(false);
  expect(comparisonPage(later)).toContain("<td>serves later</td>");
});

test("the JSON of a comparison is in the format of its schema", async () => {
  const schema = (name: string): object => JSON.parse(readFileSync(join(import.meta.dirname, "report", name), "utf8"));
  const ajv = new Ajv2020.default({ allErrors: true, strict: false }).addSchema(
    schema("report.schema.json"),
    "report.schema.json",
  );
  const validate = ajv.compile(schema("comparison.schema.json"));
  const known = new Map([["Check: a", "serves later"]]);
  const throws = () => {
    throw new Answer("not-found", "none");
  };
  const compared = compareRuns(
    await run({}, known),
    await run({ Check: () => ({ status: 2 }), WaitProcess: throws }, known),
  );
  const json: unknown = JSON.parse(comparisonJson({ ...compared, problems: ["B: none"] }));
  expect(validate(json), JSON.stringify(validate.errors)).toBe(true);
  expect(json).toMatchObject({
    asExpected: false,
    cases: 5,
    differences: [
      { name: "Check: a", states: ["passed", "failed"], field: "state", knownFailure: "serves later" },
      { name: "WaitProcess: c" },
      { name: "WaitProcess: d", field: "WaitProcess.error.code", values: ["unimplemented", "not-found"] },
    ],
    problems: ["B: none"],
  });
});
