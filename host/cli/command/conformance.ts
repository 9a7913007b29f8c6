import type { Command } from "commander";
import type { ConformanceFlags } from "../conformance/conformance-flags.ts";
import { readSettings } from "../conformance/read-settings.ts";
import { count } from "../flags/option-values.ts";

const HELP = `
ADDRESS is unix:///path, unix://@name, vsock://cid:port or hvsock:///path:port. Cases that lack a prerequisite are skipped, with
the reason. A command of --start or --against that begins with "bare:" runs as it is, without namespaces of the suite.
Exit code: 0 if all that is required passed, 1 if not, 2 for wrong usage. docs/conformance.md explains it all.

  guestctl conformance unix:///run/agent.sock --html report.html
  guestctl conformance --start 'exec my-agent --listen unix://{address}' --levels must,should`;

/** Adds `guestctl conformance`. */
export function addConformance(program: Command): void {
  program
    .command("conformance")
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
    .option(
      "--known-failures <file>",
      "YAML file that maps names of cases that fail or differ to reasons, or kata-agent for the list of that agent",
    )
    .option("--levels <list>", "run only must, should or may")
    .option("--groups <globs>", "run only these groups")
    .option("--names <globs>", "run only these cases")
    .option("--protocol <name>", "ttrpc, grpc or both (default: ttrpc)")
    .option("--require <level>", "lowest level whose failures fail the run (default: must)")
    .option("--concurrency <n>", "cases at a time, in groups that allow it (default: 4)")
    .option("--time-limit <seconds>", "time limit of a case (default: 30)")
    .option("--seed <n>", "repeat the random numbers of a run")
    .option("--list", "print the cases instead of running them")
    .option("--json <file>", "write the report, or the comparison, as JSON")
    .option("--junit <file>", "write the report as JUnit XML")
    .option("--html <file>", "write the report, or the comparison, as one HTML page")
    .option("--badge <file>", "write a badge as SVG")
    .addHelpText("after", HELP)
    .action((address: string | undefined, flags: ConformanceFlags) => conformance(address, flags));
}

/** Imports the suite lazily, as no other command needs it. */
async function conformance(address: string | undefined, flags: ConformanceFlags): Promise<void> {
  const settings = await readSettings(flags);
  if (flags.list) return listCases();
  if (flags.against !== undefined) {
    const { compareAgents } = await import("../conformance/compare-agents.ts");
    return compareAgents(address, flags.against, flags, settings);
  }
  const { testAgent } = await import("../conformance/test-agent.ts");
  return testAgent(address, flags, settings);
}

async function listCases(): Promise<void> {
  const { GROUPS } = await import("../../conformance/groups.ts");
  const { textTable } = await import("../output/text-table.ts");
  const rows = GROUPS.flatMap(({ name, cases }) => cases.map((one) => [name, one.level, one.name]));
  process.stdout.write(textTable(rows));
}
