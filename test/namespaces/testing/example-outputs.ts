import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeInNamespaces } from "../../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "./host-agent.ts";

export const examples = join(import.meta.dirname, "../../../examples");
const run = promisify(execFile);

type Outputs = Readonly<Record<string, string | RegExp>>;

/** Output on stdout of the examples that each `npm test` runs. */
export const OUTPUTS: Outputs = {
  "first.ts": "3 hello world\nstdout one\nstderr two\n",
  "session.ts": "> x=40\n> y=2\n> echo $((x + y))\n42\n> nonsense\nsh: nonsense: not found\n",
  "web-server.ts": "200 <h1>hello</h1>\n",
};

/** Output of those that run at night. */
export const NIGHTLY_OUTPUTS: Outputs = {
  "ci-jobs.ts": 'lint: passed\nbuild: passed, built with BusyBox\nbroken: failed at "exit 2" with 2\n',
  "pool.ts": "0 1 4 9 16 25 36 49\n",
  "prometheus.ts":
    /"message":"(web|db) starts"[\s\S]*# TYPE sandbox_memory_bytes gauge\nsandbox_memory_bytes\{sandbox="s-\w+"\} \d+\n/,
};

/** Runs examples with an agent of this machine and compares what they print. */
export function describeExamples(outputs: Outputs): void {
  describeInNamespaces("the examples with an agent of this machine", () => {
    let agent: Awaited<ReturnType<typeof startHostAgent>>;
    let env: NodeJS.ProcessEnv;
    beforeAll(async () => {
      agent = await startHostAgent();
      const where = { GUESTD_IMAGE: agent.rootfs("image"), GUESTD_ADDRESS: agent.address, TMPDIR: agent.directory };
      env = { ...process.env, ...where, GUESTD_ONCE: "1", PORT: "0" };
    });
    afterAll(() => agent?.[Symbol.asyncDispose]());

    it.each(Object.entries(outputs))("%s prints what it should", async (name, wanted) => {
      const { stdout } = await run(process.execPath, [join(examples, name)], { env });
      if (typeof wanted === "string") expect(stdout).toBe(wanted);
      else expect(stdout).toMatch(wanted);
    });
  });
}
