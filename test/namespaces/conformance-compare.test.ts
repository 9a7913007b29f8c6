import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startGuestctl } from "../scenarios/guestctl-process.ts";
import { CHROOT_AGENT, whyNoPython } from "./testing/chroot-agent.ts";
import { startCommand } from "./testing/our-agent.ts";

/** Cases with the same results at guestd and at the agent in Python. The last one makes twenty calls at the same time. */
const SAME = [
  "StartContainer: a container runs to its end with its output and exit code",
  "WaitProcess: twenty containers that end at once all report their status",
];

/** The first field that differs of each other case: absent, a text, a value, or the state. */
const DIFFERENT = {
  "GetGuestDetails: reports the agent's version":
    'GetGuestDetails.agent_details.device_handlers: A ["blk","mmioblk","scsi","nvdimm","vfio-pci","vfio-pci-gk"], B none',
  'CreateContainer: refuses the id "-x"':
    'CreateContainer.error.text: A Invalid container id "-x": it must match ^[A-Za-z0-9][A-Za-z0-9_.-]{1,199}$, B create container: invalid id "-x"',
  "CreateContainer: refuses an id of 300 characters as an invalid argument":
    "state: A passed, B failed: the call succeeded and had to fail",
  "PauseContainer: stops the container's processes until ResumeContainer":
    "state: A passed, B unsupported: /grpc.AgentService/PauseContainer is not implemented",
  "SignalProcess: TERM ends a container whose first process has no handler for it": "WaitProcess.status: A 137, B 143",
};

describeInNamespaces(
  "guestctl conformance --against",
  () => {
    it("names the first field that differs of each case at guestd and at an agent in Python, and no other case", async () => {
      const directory = makeWorkDirectory("compare");
      const [json, html] = [join(directory, "comparison.json"), join(directory, "comparison.html")];
      const agents = ["--against", await startCommand(), "--against", CHROOT_AGENT];
      const names = [...SAME, ...Object.keys(DIFFERENT)].join(",");
      try {
        const options = ["--names", names, "--concurrency", "1", "--json", json, "--html", html];
        const run = startGuestctl(["conformance", ...agents, ...options]);
        expect([await run.ended, run.output.stderr]).toEqual([1, ""]);
        const lines = run.output.stdout.toString().trimEnd().split("\n");
        const last = lines.pop();
        expect(lines.map((line) => line.replace(/^(must|should|may) ttrpc {2}/, ""))).toEqual(
          Object.entries(DIFFERENT).map(([name, difference]) => `${name}: ${difference}`),
        );
        expect(last).toBe("5 of 7 cases differ");

        const comparison = JSON.parse(readFileSync(json, "utf8")) as {
          agents: { agentVersion: string }[];
          differences: { name: string; states: string[] }[];
        };
        expect(comparison.agents.map(({ agentVersion }) => agentVersion)).toEqual([packageJson.version, "0.1.0"]);
        expect(comparison.differences.map(({ name }) => name)).toEqual(Object.keys(DIFFERENT));
        expect(comparison.differences.map(({ states }) => states[1])).toEqual([
          ...["passed", "passed", "failed", "unsupported", "passed"],
        ]);
        const rows = readFileSync(html, "utf8").match(/^<tr><td>.*$/gm) ?? [];
        expect(rows).toHaveLength(lines.length);
        expect(rows.at(-1)).toContain("<td>WaitProcess.status</td><td>137</td><td>143</td>");
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });
  },
  whyNoPython,
);
