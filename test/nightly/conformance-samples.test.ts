import { execFile, execFileSync } from "node:child_process";
import { globSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it, onTestFinished } from "vitest";
import { parse, stringify } from "yaml";
import type { ConformanceCase } from "../../host/conformance/case.ts";
import { runSuite } from "../../host/conformance/run-suite.ts";
import { defaultSelection } from "../../host/conformance/selection.ts";
import { startedTarget } from "../../host/conformance/target/started-target.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { codeBlocks, page, repository, section } from "../docs/pages.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { CHROOT_AGENT, whyNoPython } from "../namespaces/testing/chroot-agent.ts";

const run = promisify(execFile);
const text = page("docs/conformance.md");

/** A step of a GitHub workflow: an action with its inputs, or commands. */
interface Step {
  readonly uses?: string;
  readonly with?: Readonly<Record<string, string>>;
  readonly run?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Programs in PATH before those that need a network: they use the packages of this machine and of this checkout. */
const OFFLINE = {
  // Fails for a package that is not installed, which may not exist either.
  "apt-get": '[ "$1 $2" = "install -y" ] && shift 2 && exec dpkg-query --show "$@"',
  npm: `[ "$*" = ci ] && exec ln -s ${repository}/node_modules node_modules`,
  sudo: '[ "$1" != -E ] || shift; exec "$@"',
};

/** Creates the checkout of an agent's author: a Makefile that builds the agent in Python, and its list of known failures. */
function makeProject(knownFailures: Readonly<Record<string, string>>): string {
  const project = makeWorkDirectory("workflow");
  onTestFinished(() => rmSync(project, { recursive: true, force: true }));
  writeFileSync(
    join(project, "agent.sh"),
    `#!/bin/sh\n${CHROOT_AGENT.replace("{address}", '"$(echo "$2" | cut -c8-)"')}\n`,
  );
  writeFileSync(join(project, "Makefile"), "my-agent: agent.sh\n\tinstall agent.sh my-agent\n");
  writeFileSync(join(project, "conformance-known-failures.yaml"), stringify(knownFailures));
  mkdirSync(join(project, "offline"));
  for (const [name, script] of Object.entries(OFFLINE)) {
    writeFileSync(join(project, "offline", name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  return project;
}

/** Commits the files of this repository, as they are, to a repository in `folder`. Returns its URL. */
function commitRepository(folder: string): string {
  const git = (...args: string[]) =>
    execFileSync("git", [`--git-dir=${folder}/guestd.git`, `--work-tree=${repository}`, ...args]);
  git("init", "--quiet");
  git("add", "--all");
  git("-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "--quiet", "--message", "all");
  return `file://${folder}/guestd.git`;
}

/** Runs a step's commands as GitHub does, in a shell that ends at the first failure. Returns their output. */
async function runStep(project: string, step: Step, env: NodeJS.ProcessEnv): Promise<string> {
  const PATH = `${project}/offline:${process.env["PATH"]}`;
  const { stdout } = await run("bash", ["-e", "-c", step.run ?? ""], {
    cwd: project,
    env: { ...process.env, ...env, PATH },
  });
  return stdout;
}

describeInNamespaces("docs/conformance.md", () => {
  it("has a command to try the suite that prints its summary and writes its page", async () => {
    const [build, ...command] = (codeBlocks(section(text, "Try it in two minutes"), "sh")[0] ?? "").split("\n");
    expect(build).toBe("npm run -s build");
    const html = join(repository, "build/conformance.html");
    rmSync(html, { force: true });
    const { stdout } = await run("/bin/sh", ["-ec", command.join("\n")], { cwd: repository });
    const printed = /^ {4}(conformant: .*), seed \d+, [\d.]+ s$/m.exec(text)?.[1];
    expect(stdout.replace(/, seed \d+, [\d.]+ s\n$/, "")).toBe(printed);
    expect(readFileSync(html, "utf8")).toContain("CloseStdin: the process reads the end of its input");
  });
});

describeInNamespaces(
  "docs/conformance.md, with an agent in Python,",
  () => {
    it("has a sample of a case that runs", async () => {
      const sample = /^ {4}\{\n(?: {4}.*\n)+/m.exec(section(text, "Add a case"))?.[0] ?? "";
      const folder = makeWorkDirectory("case");
      onTestFinished(() => rmSync(folder, { recursive: true }));
      const file = join(folder, "sample.ts");
      const check = join(repository, "host/conformance/check.ts");
      writeFileSync(file, `import { equal } from "${check}";\nexport const cases = [\n${sample}];\n`);
      const { cases } = (await import(file)) as { readonly cases: readonly ConformanceCase[] };
      const { results } = await runSuite({
        target: startedTarget({ command: CHROOT_AGENT }),
        groups: [{ name: "sample", title: "Sample", cases }],
        selection: defaultSelection(),
      });
      expect(results).toMatchObject([{ name: cases[0]?.name, level: "must", state: "passed" }]);
    });

    it("has a workflow that builds the suite, tests the agent of its checkout, and writes the artifacts that it uploads", async () => {
      const { steps }: { readonly steps: readonly Step[] } = parse(
        codeBlocks(section(text, "Use it in your own CI"), "yaml")[0] ?? "",
      ).jobs.conformance;
      const [checkout, upload] = [steps[0], steps.at(-1)];
      expect([checkout?.uses, upload?.uses]).toEqual(["actions/checkout@v4", "actions/upload-artifact@v4"]);

      const states = parse(
        readFileSync(join(import.meta.dirname, "../namespaces/testdata/chroot-agent-states.yaml"), "utf8"),
      );
      const failures: readonly string[] = states.exec.failed;
      const project = makeProject(Object.fromEntries(failures.map((name) => [name, "no isolation"])));
      const variables: Readonly<Record<string, string>> = { GUESTD_REPOSITORY: commitRepository(project) };
      // Limits the run; the workflow's sudo passes variables on.
      const limits = { GUESTD_CONFORMANCE_GROUPS: "health,exec", GUESTD_CONFORMANCE_REQUIRE: "may" };
      const outputs: string[] = [];
      for (const step of steps.slice(1, -1)) {
        const env = Object.entries(step.env ?? {}).map(([name, value]) => [
          name,
          value.replace(/\$\{\{ vars\.(\w+) \}\}/g, (all, variable: string) => variables[variable] ?? all),
        ]);
        outputs.push(await runStep(project, step, { ...limits, ...Object.fromEntries(env) }));
      }

      const lines = outputs.at(-1)?.trimEnd().split("\n") ?? [];
      expect(lines.at(-1)).toMatch(
        new RegExp(`^conformant: \\d+ passed, ${failures.length} failed, 0 skipped, 0 unsupp`),
      );
      const known = lines.slice(0, -1).filter((line) => line.endsWith("(known: no isolation)"));
      expect(known).toHaveLength(failures.length);
      const artifacts = globSync(upload?.with?.["path"] ?? "", { cwd: project });
      expect(artifacts.toSorted()).toEqual(["conformance.html", "conformance.svg", "conformance.xml"]);
      for (const name of artifacts) expect(statSync(join(project, name)).size).toBeGreaterThan(100);
    });
  },
  whyNoPython,
);
