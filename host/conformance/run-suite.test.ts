import { expect, test } from "vitest";
import { GROUPS } from "./groups.ts";
import type { CaseResult } from "./results.ts";
import { runSuite, type SuiteOptions } from "./run-suite.ts";
import { defaultSelection } from "./selection.ts";
import { addressTarget } from "./target/address-target.ts";
import { type Handlers, MINIMAL, startMinimalAgent } from "./testing/minimal-agent.ts";
import { isConformant } from "./verdict.ts";

const selection = { ...defaultSelection(), seed: 1, timeLimits: { "Check: a request over 4 MiB*": 1 } };

/** Runs the suite against a minimal agent. */
async function run(parts: Partial<SuiteOptions> = {}, handlers: Handlers = MINIMAL) {
  await using agent = await startMinimalAgent(handlers);
  return await runSuite({ target: addressTarget(agent.address), groups: GROUPS, selection, ...parts });
}

const named = (results: readonly CaseResult[], state: CaseResult["state"]) =>
  results.filter((result) => result.state === state).map(({ name }) => name);

test("the report on an agent of five calls is right case by case", async () => {
  const { results, problems } = await run();
  expect(problems).toEqual([]);
  const passed = [
    ...[
      "Check: answers SERVING",
      "Check: is answered before a sandbox exists",
      "Check: is answered within five seconds",
    ],
    ...["Check: is answered on each of ten connections"],
    ...["Check: a connection that is opened and closed without a byte does no harm"],
    ...["Version: has the agent's version, as three numbers", "Version: has the version 0.0.1 of the protocol"],
    ...["CreateSandbox: succeeds with a host's host name, DNS lines and shared memory"],
    ...["GetGuestDetails: reports the agent's version"],
    ...["GetGuestDetails: lists the storage drivers that every pod needs"],
    ...["GetGuestDetails: reports no memory block size unless it is requested"],
    ...["Check: is answered on its stream, with type 2 and no flags"],
    ...[
      "Check: frames that arrive byte by byte are answered",
      "Check: twenty frames in one piece are all answered, each once",
    ],
    ...[
      "Check: an unknown method is answered with UNIMPLEMENTED",
      "Check: an unknown service is answered with an error",
    ],
    ...["Check: a request envelope that is no message is answered with an error"],
    ...["Check: unknown fields of a request are ignored", "Check: metadata is accepted"],
    ...["Check: a frame of an unknown type is ignored", "Check: stream ids may have gaps"],
    ...["Check: a success has no status or one with code 0", "Check: a time limit of 0 is none"],
    ...["Check: the longest possible time limit is served", "ListRoutes: answers"],
    ...["Check: half a header before the end of a connection does no harm"],
    ...["Check: a header that promises more bytes than come does no harm"],
    ...["Check: a connection that stops in the middle of a frame holds back no other"],
    ...["Check: random bytes end at most their own connection"],
    ...["Check: 200 silent connections keep no other client from being served"],
    ...["Check: a client that reads none of its answers holds back no other"],
    ...["Check: a call that is cut off between two frames leaves the connection usable"],
  ];
  // It serves even streams, ignores requests that are too long, and knows no other error than UNIMPLEMENTED.
  const failed = [
    ...["Check: an even stream id is answered with INVALID_ARGUMENT"],
    ...["StartContainer: a payload that is no message is answered with an error"],
    ...["Check: a request over 4 MiB is answered with an error, and the connection survives"],
  ];
  expect(named(results, "passed").toSorted()).toEqual(passed.toSorted());
  expect(named(results, "failed").toSorted()).toEqual(failed.toSorted());
  const all = GROUPS.flatMap((group) =>
    group.cases.map((one) => ({ ...one, all: [...(group.needs ?? []), ...(one.needs ?? [])] })),
  );
  const unmet = new Set(["rootfs", "own-agent", "restart", "interface", "memory-limits"]);
  const skipped = all.filter((one) => one.all.some((need) => unmet.has(need))).map(({ name }) => name);
  expect(named(results, "skipped").toSorted()).toEqual(skipped.toSorted());
  const rest = new Set([...passed, ...failed, ...skipped]);
  const unsupported = all.filter(({ name }) => !rest.has(name)).map(({ name }) => name);
  expect(named(results, "unsupported").toSorted()).toEqual(unsupported.toSorted());
  expect(results.find(({ state, level }) => state === "skipped" && level === "must")?.reason).toMatch(
    /^the root file system could not be copied into the guest, give --guest-rootfs: CopyFile is not implemented$/,
  );
}, 120_000);

test("known failures don't fail a run, and one that passes does", async () => {
  const groups = GROUPS.filter(({ name }) => name === "health");
  const wrong = { ...MINIMAL, Version: () => ({ agent_version: "none", grpc_version: "0.0.1" }) };
  const name = "Version: has the agent's version, as three numbers";
  const strict = { ...selection, require: "should" as const };
  const verdict = async (known: readonly string[], handlers: Handlers = wrong) => {
    const knownFailures = new Map(known.map((one) => [one, "issue 7"]));
    return isConformant(await run({ groups, selection: strict, knownFailures }, handlers));
  };
  expect(await verdict([])).toBe(false);
  expect(await verdict([name])).toBe(true);
  expect(await verdict([name], MINIMAL)).toBe(false);
});

test("an agent that can't be reached is one problem of the run, and all cases are skipped", async () => {
  const groups = GROUPS.filter(({ name }) => name === "health" || name === "tty");
  const result = await runSuite({ target: addressTarget("unix:///none/agent.sock"), groups, selection });
  expect(result.problems).toEqual([
    "group health over ttrpc: dial unix:///none/agent.sock: connect ENOENT /none/agent.sock",
  ]);
  expect(named(result.results, "skipped")).toHaveLength(groups.flatMap(({ cases }) => cases).length);
  expect(isConformant(result)).toBe(false);
});

test("the environment names the agent's version, and a command's secrets are redacted", async () => {
  await using agent = await startMinimalAgent();
  const target = { ...addressTarget(agent.address), description: "started by API_TOKEN=abc my-agent" };
  const { environment } = await runSuite({ target, groups: GROUPS.slice(0, 1), selection });
  expect(environment).toMatchObject({
    agentVersion: "0.0.1",
    agent: "started by API_TOKEN=[redacted] my-agent",
    seed: 1,
  });
});
