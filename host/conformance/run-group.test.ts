import { describe, expect, test } from "vitest";
import type { CaseGroup, ConformanceCase } from "./case.ts";
import { equal, holds, refused } from "./check.ts";
import type { CaseResult } from "./results.ts";
import { runGroup } from "./run-group.ts";
import type { SessionOptions } from "./session.ts";
import { addressTarget } from "./target/address-target.ts";
import type { AgentUnderTest } from "./target/target.ts";
import { Answer, type Handlers, MINIMAL, startMinimalAgent } from "./testing/minimal-agent.ts";

const NO_ROOT = { missing: "no busybox here" };

/** Returns a case with this work. */
function one(name: string, run: ConformanceCase["run"], parts: Partial<ConformanceCase> = {}): ConformanceCase {
  return { ...{ name, level: "must", source: "test" }, run, ...parts };
}

interface RunOptions extends Partial<Pick<SessionOptions, "root" | "prepareMs">> {
  readonly parallel?: boolean;
  readonly limitMs?: number;
  readonly own?: boolean;
}

/** Runs cases against a minimal agent with these handlers beside the usual ones. */
async function run(
  cases: readonly ConformanceCase[],
  handlers: Handlers = {},
  { parallel = false, limitMs = 50_000, own = false, ...session }: RunOptions = {},
): Promise<CaseResult[]> {
  await using agent = await startMinimalAgent({ ...MINIMAL, ...handlers });
  const target = addressTarget(agent.address);
  const opened = { ...target, open: async () => ({ ...(await target.open()), isOwn: own }) };
  const group: CaseGroup = { name: "group", title: "Group", parallel, cases };
  const results: CaseResult[] = [];
  await runGroup(group, cases, {
    ...{ target: opened, protocol: "ttrpc", root: NO_ROOT, seed: 1, concurrency: 3, ...session },
    limitMs: () => limitMs,
    onResult: (result) => results.push(result),
  });
  return results;
}

describe("a case", () => {
  test("passes if it does what it does without an error, and its calls are recorded, decoded", async () => {
    const [result] = await run([one("Check: a", ({ health }) => health.check({ service: "x" }))]);
    expect(result).toMatchObject({
      name: "Check: a",
      group: "group",
      level: "must",
      state: "passed",
      protocol: "ttrpc",
    });
    expect(result?.calls).toMatchObject([
      { call: "grpc.Health/Check", connection: 1, request: { service: "x" }, response: { status: 1 } },
    ]);
  });

  test("fails with what was expected and what the agent returned", async () => {
    const [result] = await run([
      one("Check: a", async ({ health }) => equal((await health.check({})).status, 2, "the status")),
    ]);
    expect(result).toMatchObject({ state: "failed", reason: "the status differs", expected: 2, actual: 1 });
  });

  test("fails if the agent accepts what it has to refuse, or refuses it in another way", async () => {
    const results = await run(
      [
        one("Check: a", ({ health }) => refused(health.check({}), { codes: ["internal"] })),
        one("AddSwap: b", ({ agent }) => refused(agent.addSwap({}), { codes: ["internal"] })),
        one("AddSwap: c", ({ agent }) => refused(agent.addSwap({}), { codes: ["not-found"], text: /swap$/ })),
        one("AddSwap: d", ({ agent }) => refused(agent.addSwap({}), { text: /nothing/ })),
      ],
      {
        AddSwap: () => {
          throw new Answer("not-found", "no swap");
        },
      },
    );
    expect(results.map(({ state, reason }) => [state, reason])).toEqual([
      ["failed", "the call succeeded and had to fail"],
      ["failed", "the error has the code not-found"],
      ["passed", undefined],
      ["failed", "the error has another text"],
    ]);
  });

  test("is unsupported if the agent doesn't implement the call, even if it has to be refused", async () => {
    const results = await run(
      [
        one("AddSwap: a", ({ agent }) => agent.addSwap({})),
        one("AddSwap: b", ({ agent }) => refused(agent.addSwap({}), { codes: ["internal"] })),
        one("GetMetrics: c", ({ agent }) => agent.getMetrics({})),
      ],
      {
        GetMetrics: () => {
          throw new Answer("not-found", "/grpc.AgentService/GetMetrics is not supported");
        },
      },
    );
    expect(results.map(({ state }) => state)).toEqual(["unsupported", "unsupported", "unsupported"]);
  });

  test("is skipped with the missing prerequisite", async () => {
    const needs = (need: NonNullable<ConformanceCase["needs"]>[number]) =>
      one(`Check: ${need}`, async () => holds(false, "it is not run"), { needs: [need] });
    const results = await run([
      ...(["rootfs", "own-agent", "restart", "interface", "memory-limits"] as const).map(needs),
      one("Check: by itself", async (context) => context.skip("no IPv6")),
    ]);
    expect(results.map(({ state, reason }) => [state, reason])).toEqual([
      ["skipped", "no busybox here"],
      ["skipped", "it ends or spoils the agent; give --start or --guest"],
      ["skipped", "it kills the agent; give --restart or --pid"],
      ["skipped", "no busybox here"],
      ["skipped", "no busybox here"],
      ["skipped", "no IPv6"],
    ]);
  });

  test("is skipped if the root file system doesn't arrive in time", async () => {
    const [result] = await run(
      [one("Check: a", ({ health }) => health.check({}), { needs: ["rootfs"] })],
      { CopyFile: () => undefined },
      { root: { path: import.meta.dirname }, prepareMs: 100 },
    );
    expect(result).toMatchObject({
      state: "skipped",
      reason: "the root file system could not be copied into the guest, give --guest-rootfs: not done within 0.1 s",
    });
  });

  test("fails at its time limit, with the names of its open calls", async () => {
    const [result] = await run(
      [one("GetOOMEvent: a", ({ agent }) => agent.getOOMEvent({}))],
      { GetOOMEvent: () => undefined },
      { limitMs: 100 },
    );
    expect(result).toMatchObject({ state: "failed", reason: "not done within 0.1 s; open calls: GetOOMEvent" });
  });

  test("may fail while calls of it are open", async () => {
    const results = await run(
      [
        one("GetOOMEvent: a", async (context) => {
          const [event, read] = [context.agent.getOOMEvent({}), context.drain("readStdout", "c")];
          await context.health.check({});
          holds([event, read].length === 0, "it fails");
        }),
        one("Check: b", ({ health }) => health.check({})),
      ],
      { GetOOMEvent: () => undefined, ReadStdout: () => undefined },
    );
    expect(results.map(({ state }) => state)).toEqual(["failed", "passed"]);
  });

  test("leaves no container behind, also if it fails, and fails if one can't be removed", async () => {
    const removed: string[] = [];
    const create = (container_id: string) =>
      one(`CreateContainer: ${container_id}`, async ({ agent }) => {
        await agent.createContainer({ container_id });
        holds(container_id !== "failing", "it fails");
      });
    const results = await run([create("left"), create("failing"), create("stuck")], {
      CreateContainer: () => ({}),
      RemoveContainer: (request) => {
        const { container_id } = request as { container_id: string };
        if (container_id === "stuck") throw new Answer("internal", "it is stuck");
        removed.push(container_id);
        return {};
      },
    });
    expect(removed).toEqual(["left", "failing"]);
    expect(results.map(({ state, reason }) => [state, reason])).toEqual([
      ["passed", undefined],
      ["failed", "not true: it fails"],
      ["failed", "remove container stuck: it is stuck"],
    ]);
  });
});

test("an agent that answers no more fails its last case and ends the group", async () => {
  const results = await run(
    [
      one("Check: a", ({ health }) => health.check({})),
      one("DestroySandbox: b", ({ agent }) => agent.destroySandbox({}).catch(() => undefined)),
      one("Check: c", ({ health }) => health.check({})),
    ],
    {
      DestroySandbox: (_request, end) => {
        end();
        return undefined;
      },
    },
  );
  expect(results.map(({ state, reason }) => [state, reason])).toEqual([
    ["passed", undefined],
    ["failed", "afterwards the agent answers no health check, or no call about a container"],
    ["skipped", 'the agent stopped answering after "DestroySandbox: b"'],
  ]);
});

describe("with a fresh agent for each session", () => {
  /** Runs cases at the same time. Returns their states and reasons by name, and the number of agents that were started. */
  async function runWithFresh(cases: readonly ConformanceCase[]) {
    const group: CaseGroup = { name: "group", title: "Group", parallel: true, cases };
    const results = new Map<string, string | undefined>();
    let agents = 0;
    const open = async (): Promise<AgentUnderTest> => {
      agents++;
      const end = (_request: unknown, stop: () => void) => stop();
      return { ...(await startMinimalAgent({ ...MINIMAL, DestroySandbox: end })), isOwn: true };
    };
    await runGroup(group, cases, {
      ...{
        target: { description: "fresh", surroundings: "none", open },
        protocol: "ttrpc",
        root: NO_ROOT,
        seed: 1,
        concurrency: 3,
      },
      limitMs: () => 50_000,
      onResult: ({ name, state, reason }) => results.set(name, reason === undefined ? state : `${state}: ${reason}`),
    });
    return { agents, results: Object.fromEntries(results) };
  }
  const STOPPED = "failed: afterwards the agent answers no health check, or no call about a container";
  const stopping = one("DestroySandbox: stops", ({ agent }) => agent.destroySandbox({}).catch(() => undefined));

  test("only the case that stops an agent fails: those beside it run again, one by one, and the rest with another agent", async () => {
    let attempts = 0;
    const beside = one("Check: beside", ({ client, agent }) =>
      ++attempts === 1 ? client.closed.then(() => agent.listRoutes({})) : agent.listRoutes({}),
    );
    const later = one("Check: later", ({ agent }) => agent.listRoutes({}));
    const { agents, results } = await runWithFresh([beside, stopping, later]);
    expect(results).toEqual({ "Check: beside": "passed", "DestroySandbox: stops": STOPPED, "Check: later": "passed" });
    expect(agents).toBeGreaterThanOrEqual(3);
  });

  test("a case that may block the agent runs last, with an agent of its own", async () => {
    const cases = [{ ...stopping, mayBlockAgent: true as const }, one("Check: a", ({ agent }) => agent.listRoutes({}))];
    const { agents, results } = await runWithFresh(cases);
    expect(Object.entries(results)).toEqual([
      ["Check: a", "passed"],
      ["DestroySandbox: stops", STOPPED],
    ]);
    expect(agents).toBe(2);
  });
});

test("a case that may block the agent is skipped for a running one", async () => {
  const results = await run([one("Check: a", ({ health }) => health.check({}), { mayBlockAgent: true })]);
  expect(results.map(({ state }) => state)).toEqual(["skipped"]);
});

test("cases run one at a time, unless their group allows more", async () => {
  for (const [parallel, most] of [
    [false, 1],
    [true, 3],
  ] as const) {
    let [running, highest] = [0, 0];
    const work = async () => {
      highest = Math.max(highest, ++running);
      await new Promise((resolve) => setTimeout(resolve, 30));
      running--;
    };
    await run(
      Array.from({ length: 6 }, (_, at) => one(`Check: ${at}`, work)),
      {},
      { parallel },
    );
    expect(highest).toBe(most);
  }
});

test("an agent that a case has to end is replaced for the next one", async () => {
  const seen: unknown[] = [];
  const ends = one("Check: a", async ({ session }) => seen.push(session.id), { endsAgent: true });
  const results = await run([ends, { ...ends, name: "Check: b" }]);
  expect(results.map(({ state }) => state)).toEqual(["passed", "passed"]);
  expect(new Set(seen).size).toBe(2);
});
