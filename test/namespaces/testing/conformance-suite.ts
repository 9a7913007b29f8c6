import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeWorkDirectory } from "../../clean-up/work-directory.ts";
import { describeInNamespaces } from "../../init/testing/describe-in-namespaces.ts";
import { startGuestctl } from "../../scenarios/guestctl-process.ts";
import { startCommand } from "./our-agent.ts";

/** Prerequisites that a machine of namespaces, or a guest, may lack. */
const MAY_LACK =
  /memory controller|no container with a memory limit|frames of ttRPC|no disk|no IPv6|no writable ext4|support for seccomp|no netfilter/;

/** Seconds that a case may take in a guest without KVM on a busy machine. */
const IN_GUEST = { GUESTD_CONFORMANCE_TIME_LIMIT: "120" };

/** Kills our agent, for `guestctl conformance --restart`: it is the child of init that runs the launcher. */
export const KILL_AGENT = `for p in $(cat /proc/{pid}/task/{pid}/children); do
  ! grep -q launcher.cjs /proc/$p/cmdline || kill -9 $p
done`;

/** Runs guestctl conformance with every case required. Fails unless all pass that the machine has the prerequisites for. */
export async function expectConformant(args: readonly string[]): Promise<void> {
  const run = startGuestctl(["conformance", ...args, "--require", "may"], {
    env: args.includes("--guest") ? IN_GUEST : {},
  });
  const code = await run.ended;
  const lines = run.output.stdout.toString().trimEnd().split("\n");
  const unexpected = lines.slice(0, -1).filter((one) => !(one.startsWith("skipped ") && MAY_LACK.test(one)));
  expect(unexpected).toEqual([]);
  expect(lines.at(-1)).toMatch(/^conformant: \d+ passed, 0 failed, \d+ skipped, 0 unsupported, /);
  expect([code, run.output.stderr]).toEqual([0, ""]);
}

/**
 * Registers a run of guestctl conformance against our agent, which it starts for each group, over one protocol. `groups` are
 * globs; by default all run.
 */
export function conformanceSuite(protocol: "ttrpc" | "grpc", groups = "*"): void {
  describeInNamespaces(`guestctl conformance over ${protocol}`, () => {
    let directory = "";
    let start = "";
    beforeAll(async () => {
      directory = makeWorkDirectory("conformance");
      start = await startCommand();
    });
    afterAll(() => rmSync(directory, { recursive: true, force: true }));

    it("passes every case that this machine has the prerequisites for", async () => {
      const report = join(directory, "report.json");
      const line = ["--protocol", protocol, "--groups", groups, "--json", report];
      await expectConformant(["--start", start, "--restart", KILL_AGENT, ...line]);
      const { cases } = JSON.parse(readFileSync(report, "utf8")) as { cases: { state: string }[] };
      if (groups === "*") expect(cases.filter(({ state }) => state === "passed").length).toBeGreaterThan(300);
    }, 400_000);
  });
}
