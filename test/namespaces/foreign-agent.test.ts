import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { startedTarget } from "../../host/conformance/target/started-target.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startGuestctl } from "../scenarios/guestctl-process.ts";
import { CHROOT_AGENT, whyNoPython } from "./testing/chroot-agent.ts";

const testdata = join(import.meta.dirname, "testdata");

/** Names by state, by group. */
type States = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

describeInNamespaces(
  "guestctl conformance against an agent in Python",
  () => {
    it("with nothing but its address, reports each case right: it has 15 calls, and processes in a chroot", async () => {
      const expected: States = parse(readFileSync(join(testdata, "chroot-agent-states.yaml"), "utf8"));
      const directory = makeWorkDirectory("foreign");
      const report = join(directory, "report.json");
      const groups = Object.keys(expected).join(",");
      try {
        await using agent = await startedTarget({ command: CHROOT_AGENT }).open();
        const run = startGuestctl(["conformance", agent.address, "--groups", groups, "--json", report]);
        expect([await run.ended, run.output.stderr]).toEqual([1, ""]);
        const { cases } = JSON.parse(readFileSync(report, "utf8")) as {
          cases: Record<"name" | "group" | "state", string>[];
        };
        const wanted = cases.filter(({ state }) => state !== "disabled");
        expect(wanted.filter(({ state }) => state === "passed").length).toBeGreaterThan(80);
        const states = wanted.map(({ name, group, state }) => `${group} ${state} ${name}`);
        const right = wanted.map(({ name, group }) => {
          const [state = "passed"] =
            Object.entries(expected[group] ?? {}).find(([, names]) => names.includes(name)) ?? [];
          return `${group} ${state} ${name}`;
        });
        expect(states).toEqual(right);
        const known = wanted.map(({ name }) => name);
        const listed = Object.values(expected).flatMap((byState) => Object.values(byState).flat());
        expect(listed.filter((name) => !known.includes(name))).toEqual([]);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    }, 240_000);
  },
  whyNoPython,
);
