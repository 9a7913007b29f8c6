import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const examples = join(import.meta.dirname, "../../examples");
const run = promisify(execFile);

/** Output of each example on stdout. */
const OUTPUTS: Readonly<Record<string, string | RegExp>> = {
  "first.ts": "3 hello world\nstdout one\nstderr two\n",
  "ci-jobs.ts": 'lint: passed\nbuild: passed, built with BusyBox\nbroken: failed at "exit 2" with 2\n',
  "session.ts": "> x=40\n> y=2\n> echo $((x + y))\n42\n> nonsense\nsh: nonsense: not found\n",
  "web-server.ts": "200 <h1>hello</h1>\n",
  "pool.ts": "0 1 4 9 16 25 36 49\n",
  "prometheus.ts":
    /"message":"(web|db) starts"[\s\S]*# TYPE sandbox_memory_bytes gauge\nsandbox_memory_bytes\{sandbox="s-\w+"\} \d+\n/,
};
/** Run in a guest by test/vm/sdk.test.ts, as its limits need one. */
const IN_GUEST = ["untrusted-code.ts"];

describeInNamespaces("the examples with an agent of this machine", () => {
  let agent: Awaited<ReturnType<typeof startHostAgent>>;
  let env: NodeJS.ProcessEnv;
  beforeAll(async () => {
    agent = await startHostAgent();
    const where = { GUESTD_IMAGE: agent.rootfs("image"), GUESTD_ADDRESS: agent.address, TMPDIR: agent.directory };
    env = { ...process.env, ...where, GUESTD_ONCE: "1", PORT: "0" };
  });
  afterAll(() => agent?.[Symbol.asyncDispose]());

  it.each(Object.entries(OUTPUTS))("%s prints what it should", async (name, wanted) => {
    const { stdout } = await run(process.execPath, [join(examples, name)], { env });
    if (typeof wanted === "string") expect(stdout).toBe(wanted);
    else expect(stdout).toMatch(wanted);
  });
});

describe("the examples", () => {
  it("are all run by a test", () => {
    const programs = readdirSync(examples).filter((name) => name.endsWith(".ts") && name !== "where.ts");
    expect(programs.sort()).toEqual([...Object.keys(OUTPUTS), ...IN_GUEST].sort());
  });

  it("for Kubernetes refer to a runtime class that exists", () => {
    const folder = join(examples, "kubernetes");
    const objects = readdirSync(folder).flatMap((file) => {
      return parseAllDocuments(readFileSync(join(folder, file), "utf8")).map((each) => each.toJS());
    });
    const classes = objects.filter(({ kind }) => kind === "RuntimeClass").map(({ metadata }) => metadata.name);
    const jobs = objects.filter(({ kind }) => kind === "Job").map(({ spec }) => spec.template.spec.runtimeClassName);
    expect({ classes, jobs }).toEqual({ classes: ["guestd"], jobs: ["guestd"] });
  });
});
