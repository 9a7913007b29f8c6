import { writeFileSync } from "node:fs";
import { type Command, InvalidArgumentError } from "commander";
import { parseAddress } from "../../client/address.ts";
import type { Run } from "../../conformance/results.ts";
import type { Selection } from "../../conformance/selection.ts";
import type { Target } from "../../conformance/target/target.ts";
import { CliError } from "../cli-error.ts";
import { count } from "../flags/option-values.ts";
import { StatusLine } from "../output/status-line.ts";

export interface ConformanceFlags {
  readonly start?: string;
  readonly against?: readonly string[];
  readonly guest?: true;
  readonly restart?: string;
  readonly pid?: number;
  readonly interface?: string;
  readonly rootfs?: string;
  readonly guestRootfs?: string;
  readonly config?: string;
  readonly knownFailures?: string;
  readonly levels?: string;
  readonly groups?: string;
  readonly names?: string;
  readonly protocol?: string;
  readonly require?: string;
  readonly concurrency?: string;
  readonly timeLimit?: string;
  readonly seed?: string;
  readonly list?: true;
  readonly json?: string;
  readonly junit?: string;
  readonly html?: string;
  readonly badge?: string;
}

const FAILED = 1;
const WRONG_USAGE = 2;

const HELP = `
ADDRESS is unix:///path, unix://@name, vsock://cid:port or hvsock:///path:port. Cases that lack a prerequisite are skipped, with
the reason. Exit code: 0 if all that is required passed, 1 if not, 2 for wrong usage. docs/conformance.md explains it all.

  guestctl conformance unix:///run/agent.sock --html report.html
  guestctl conformance --start 'exec my-agent --listen unix://{address}' --levels must,should`;

/** Adds `guestctl conformance`. */
export function addConformance(program: Command): void {
  program
    .command("conformance")
    .summary("test an agent against the contract of Kata's hosts")
    .description("Run cases against any agent that serves Kata's contract, and report what it breaks.")
    .argument("[address]", "address of the agent")
    .option("--start <command>", "start the agent by a shell command, in which {address} is the path of its socket")
    .option("--against <agent...>", "compare two agents, each an address or a command as for --start; give it twice")
    .option("--guest", "boot a guest with guestd for each group of cases")
    .option("--restart <command>", "shell command that kills the agent; {pid} is the pid of --start's command")
    .option("--pid <pid>", "pid of an agent that may be killed, because another one takes over", count)
    .option("--interface <mac>", "MAC address of a network interface of the guest that cases may change")
    .option(
      "--rootfs <path>",
      "directory or tar file with busybox to copy into the guest (default: this machine's busybox)",
    )
    .option("--guest-rootfs <path>", "path in the guest of a root file system with busybox")
    .option("--config <file>", "YAML file with the selection of cases")
    .option("--known-failures <file>", "YAML file that maps names of cases that fail to reasons")
    .option("--levels <list>", "run only must, should or may")
    .option("--groups <globs>", "run only these groups")
    .option("--names <globs>", "run only these cases")
    .option("--protocol <name>", "ttrpc, grpc or both (default: ttrpc)")
    .option("--require <level>", "lowest level whose failures fail the run (default: must)")
    .option("--concurrency <n>", "cases at a time, in groups that allow it (default: 4)")
    .option("--time-limit <seconds>", "time limit of a case (default: 30)")
    .option("--seed <n>", "repeat the random numbers of a run")
    .option("--list", "print the cases instead of running them")
    .option("--json <file>", "write the report as JSON")
    .option("--junit <file>", "write the report as JUnit XML")
    .option("--html <file>", "write the report as one HTML page")
    .option("--badge <file>", "write a badge as SVG")
    .addHelpText("after", HELP)
    .action((address: string | undefined, flags: ConformanceFlags) => conformance(address, flags));
}

/** Imports the suite lazily, as no other command needs it. */
async function conformance(address: string | undefined, flags: ConformanceFlags): Promise<void> {
  const { GROUPS } = await import("../../conformance/groups.ts");
  const { readKnownFailures } = await import("../../conformance/known-failures.ts");
  const { readSelection } = await import("../../conformance/read-selection.ts");
  const { runSuite } = await import("../../conformance/run-suite.ts");
  const { caseLine, summaryLine } = await import("../../conformance/report/summary.ts");
  const selection = usage(() => readSelection(flags.config, process.env, selectionFlags(flags)));
  const known = flags.knownFailures;
  const knownFailures = known === undefined ? undefined : usage(() => readKnownFailures(known, GROUPS));
  if (flags.list) return listCases();
  if (flags.against !== undefined) return compare(address, flags.against, flags, selection);
  const target = await chooseTarget(address, flags);
  using status = new StatusLine();
  let done = 0;
  const run = await runSuite({
    ...{ target, groups: GROUPS, selection },
    ...(knownFailures === undefined ? {} : { knownFailures }),
    ...(flags.rootfs === undefined ? {} : { rootfs: flags.rootfs }),
    ...(flags.guestRootfs === undefined ? {} : { guestRootfs: flags.guestRootfs }),
    onResult(result) {
      if (result.state !== "disabled") status.show(`${++done} ${result.group}: ${result.name}`);
      const line = caseLine(selection, result);
      if (line === undefined) return;
      status.clear();
      process.stdout.write(`${line}\n`);
    },
  });
  status.clear();
  for (const problem of run.problems) process.stdout.write(`PROBLEM  ${problem}\n`);
  process.stdout.write(`${summaryLine(run)}\n`);
  await writeReports(run, flags);
  const { isConformant } = await import("../../conformance/verdict.ts");
  process.exitCode = isConformant(run) ? 0 : FAILED;
}

/** Runs the suite against two agents and prints the first field that differs of each case. */
async function compare(
  address: string | undefined,
  agents: readonly string[],
  flags: ConformanceFlags,
  selection: Selection,
): Promise<void> {
  const { rootfs, guestRootfs, start, guest, json, junit, badge } = flags;
  if (agents.length !== 2 || [address, start, guest, json, junit, badge].some((one) => one !== undefined)) {
    const text = "--against: give it twice, without ADDRESS, --start and --guest; the only report is --html";
    throw new CliError(text, { exitCode: WRONG_USAGE });
  }
  const { GROUPS } = await import("../../conformance/groups.ts");
  const { runSuite } = await import("../../conformance/run-suite.ts");
  const { compareRuns } = await import("../../conformance/compare-runs.ts");
  const { comparisonPage, comparisonText } = await import("../../conformance/report/comparison.ts");
  const runs = [];
  for (const agent of agents) {
    const isCommand = agent.includes("{address}");
    const target = await chooseTarget(isCommand ? undefined : agent, isCommand ? { ...flags, start: agent } : flags);
    const options = {
      ...(rootfs === undefined ? {} : { rootfs }),
      ...(guestRootfs === undefined ? {} : { guestRootfs }),
    };
    const run = await runSuite({ target, groups: GROUPS, selection, ...options });
    for (const problem of run.problems) process.stdout.write(`PROBLEM  ${problem}\n`);
    runs.push(run);
  }
  const [one, other] = runs;
  if (one === undefined || other === undefined) return;
  const comparison = compareRuns(one, other);
  process.stdout.write(comparisonText(comparison));
  if (flags.html !== undefined) writeFileSync(flags.html, comparisonPage(comparison));
  process.exitCode =
    comparison.differences.length === 0 && runs.every(({ problems }) => problems.length === 0) ? 0 : FAILED;
}

async function listCases(): Promise<void> {
  const { GROUPS } = await import("../../conformance/groups.ts");
  const { textTable } = await import("../output/text-table.ts");
  const rows = GROUPS.flatMap(({ name, cases }) => cases.map((one) => [name, one.level, one.name]));
  process.stdout.write(textTable(rows));
}

/** Returns the flags that are settings of the selection. */
function selectionFlags(flags: ConformanceFlags): Readonly<Record<string, string>> {
  const { levels, groups, names, protocol, require, concurrency, timeLimit, seed } = flags;
  const settings = { levels, groups, names, protocol, require, concurrency, timeLimit, seed };
  return Object.fromEntries(
    Object.entries(settings).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}

async function chooseTarget(address: string | undefined, flags: ConformanceFlags): Promise<Target> {
  const ways = [address, flags.start, flags.guest].filter((way) => way !== undefined);
  if (ways.length !== 1) {
    throw new CliError("conformance: give exactly one of ADDRESS, --start and --guest", { exitCode: WRONG_USAGE });
  }
  if (flags.start !== undefined) {
    const { startedTarget } = await import("../../conformance/target/started-target.ts");
    if (!flags.start.includes("{address}")) {
      throw new CliError("--start: the command has no {address}, the path of the socket to serve", {
        exitCode: WRONG_USAGE,
      });
    }
    return startedTarget({ command: flags.start, ...(flags.restart === undefined ? {} : { restart: flags.restart }) });
  }
  if (address === undefined) {
    const { guestTarget } = await import("../../conformance/target/guest-target.ts");
    return guestTarget();
  }
  const { addressTarget } = await import("../../conformance/target/address-target.ts");
  usage(() => parseAddress(address));
  const restart = {
    ...(flags.restart === undefined ? {} : { command: flags.restart }),
    ...(flags.pid === undefined ? {} : { pid: flags.pid }),
  };
  return addressTarget(address, { restart, ...(flags.interface === undefined ? {} : { interface: flags.interface }) });
}

async function writeReports(run: Run, flags: ConformanceFlags): Promise<void> {
  const { badge } = await import("../../conformance/report/badge.ts");
  const { htmlReport } = await import("../../conformance/report/html.ts");
  const { jsonReport } = await import("../../conformance/report/json.ts");
  const { junitReport } = await import("../../conformance/report/junit.ts");
  const formats = { json: jsonReport, junit: junitReport, html: htmlReport, badge } as const;
  for (const [name, format] of Object.entries(formats)) {
    const file = flags[name as keyof typeof formats];
    if (file !== undefined) writeFileSync(file, format(run));
  }
}

/** Runs a parser of settings, whose errors are wrong usage. */
function usage<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw error;
    throw new CliError((error as Error).message, { cause: error, exitCode: WRONG_USAGE });
  }
}
