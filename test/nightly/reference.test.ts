import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startedTarget } from "../../host/conformance/target/started-target.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startCommand } from "../namespaces/testing/our-agent.ts";
import { REFERENCE, whyNoReference } from "../reference/reference.ts";
import { startGuestctl } from "../scenarios/guestctl-process.ts";

const KNOWN = ["--known-failures", "kata-agent"];
/** A container that runs to its end, from its sandbox and root file system to its removal. */
const ONE = "StartContainer: a container runs to its end with its output and exit code";

/** Runs guestctl to its end. Returns its exit code, and the lines of its output. */
async function guestctl(...args: string[]): Promise<{ readonly code: number | undefined; readonly lines: string[] }> {
  const { ended, output } = startGuestctl(args);
  const code = await ended;
  return { code, lines: `${output.stdout}${output.stderr}`.trimEnd().split("\n") };
}

/** Runs a relay of guestctl between a host and an agent for as long as `use` takes. Returns what it printed. */
async function throughRelay(path: string, args: readonly string[], use: () => Promise<unknown>): Promise<string> {
  const relay = startGuestctl([...args, "--listen", `unix://${path}`]);
  await expect.poll(() => existsSync(path)).toBe(true);
  await use();
  relay.child.kill("SIGINT");
  await relay.ended;
  return `${relay.output.stdout}${relay.output.stderr}`;
}

describeInNamespaces(
  "the reference agent",
  () => {
    let directory = "";
    beforeAll(() => {
      directory = makeWorkDirectory("reference");
    });
    afterAll(() => rmSync(directory, { recursive: true, force: true }));

    it("conforms, started for each group, but for its known failures; no group is skipped", async () => {
      const report = join(directory, "started.json");
      const { code, lines } = await guestctl("conformance", "--start", REFERENCE, ...KNOWN, "--json", report);
      expect([code, lines.filter((line) => /^(FAILED|PASSED|UNSUPPORTED|PROBLEM)/.test(line))]).toEqual([0, []]);
      const { cases } = JSON.parse(readFileSync(report, "utf8")) as {
        cases: Record<"group" | "level" | "state", string>[];
      };
      const groups = Map.groupBy(cases, ({ group }) => group);
      const skipped = [...groups].filter(([, all]) => all.every(({ state }) => state === "skipped"));
      expect(skipped.map(([group]) => group)).toEqual([]);
      expect(cases.filter(({ level, state }) => level === "must" && state === "skipped")).toEqual([]);
    });

    it("conforms by its address, also in a second run, which finds its sandbox", async () => {
      await using agent = await startedTarget({ command: REFERENCE }).open();
      const first = await guestctl("conformance", agent.address, ...KNOWN);
      expect([first.code, first.lines.filter((line) => /^[A-Z]{5}|: no agent: /.test(line))]).toEqual([0, []]);
      const second = await guestctl("conformance", agent.address, "--groups", "containers,exec", ...KNOWN);
      expect([second.code, second.lines.at(-1)]).toEqual([0, expect.stringMatching(/^conformant: /)]);
    });

    it("is compared with guestd: each difference in a MUST is a known failure", async () => {
      const page = join(directory, "comparison.html");
      const agents = ["--against", REFERENCE, "--against", await startCommand()];
      const { lines } = await guestctl("conformance", ...agents, "--levels", "must", ...KNOWN, "--html", page);
      // What this machine can't give one of them, such as controllers of cgroup v2, is skipped there.
      const states = lines.filter((line) => /: state: A \w+/.test(line) && !/[AB] skipped: /.test(line));
      expect(states.length).toBeGreaterThan(0);
      expect(states.filter((line) => !line.endsWith(")") || !line.includes("(known: "))).toEqual([]);
      expect(readFileSync(page, "utf8")).toContain("Link not found");
    });

    it("is recorded, and answers the same calls in the same way when they are replayed", async () => {
      const file = join(directory, "conversation.jsonl");
      const path = join(directory, "relay.sock");
      {
        await using agent = await startedTarget({ command: REFERENCE }).open();
        await throughRelay(path, ["record", "--to", agent.address, file], async () => {
          expect(await guestctl("conformance", `unix://${path}`, "--names", ONE)).toMatchObject({ code: 0 });
        });
      }
      await using other = await startedTarget({ command: REFERENCE }).open();
      const replayed = await guestctl("replay", file, other.address);
      expect([replayed.code, replayed.lines]).toEqual([0, [expect.stringMatching(/^\d+ calls, no difference$/)]]);
    });

    it("is broken by chaos as the rules say, and nothing else is", async () => {
      await using agent = await startedTarget({ command: REFERENCE }).open();
      const path = join(directory, "chaos.sock");
      const rule = "call=WaitProcess,fail=UNAVAILABLE:gone";
      const printed = await throughRelay(path, ["chaos", "--to", agent.address, "--rule", rule], async () => {
        const { code, lines } = await guestctl(
          "conformance",
          `unix://${path}`,
          "--names",
          `${ONE},ListRoutes: answers`,
        );
        expect([code, lines.length]).toEqual([1, 2]);
        expect(lines[0]).toMatch(/^FAILED {2}must ttrpc {2}StartContainer: .*gone/);
        expect(lines[1]).toMatch(/^not conformant: 1 passed, 1 failed, /);
      });
      expect(printed).toContain("WaitProcess");
    });
  },
  whyNoReference,
);
