import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { textTable } from "../../../host/cli/output/text-table.ts";
import { whyNoNamespaces } from "../../init/testing/harness.ts";
import { startHostAgent } from "../../namespaces/testing/host-agent.ts";
import { Pod } from "../../scenarios/pod.ts";
import { buildShippedAgent } from "../shipped-agent.ts";
import { attachStrace } from "./attached-strace.ts";
import { type Counts, countCalls } from "./count-calls.ts";

const root = join(import.meta.dirname, "../../..");
const ROLES = ["agent", "init", "child"];
/** Execs before counting starts, so that code is compiled and pages are mapped. */
const WARM = 200;
const EXECS = 100;

/**
 * Prints the system calls of one exec by name and role: ExecProcess, ReadStdout and ReadStderr to their ends,
 * WaitProcess. Averages many execs in sequence. Prints no times, since strace slows everything down.
 */
async function main(): Promise<void> {
  const reason = whyNoNamespaces();
  if (reason !== undefined) throw new Error(reason);
  mkdirSync(join(root, "build"), { recursive: true });
  const directory = mkdtempSync(join(root, "build/syscalls-"));
  try {
    process.stdout.write(table(await measure(directory)));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measure(directory: string): Promise<ReadonlyMap<string, Counts>> {
  await using machine = await startHostAgent({ agentCommand: await buildShippedAgent(root, directory) });
  await using client = await machine.connect();
  const pod = await Pod.open(machine, client);
  const container = await pod.start(["sleep", "1000"]);
  await execs(pod, container, WARM);
  const [agent, init] = [await machine.agentPid(), await machine.initPid()];
  const roles = new Map([[init, "init"]]);
  for (const thread of readdirSync(`/proc/${agent}/task`)) roles.set(Number(thread), "agent");
  const log = join(directory, "strace.log");
  const strace = await attachStrace(["-o", log], [init, agent], [...roles.keys()]);
  await execs(pod, container, EXECS);
  await strace.end();
  await pod.remove(container);
  return countCalls(readFileSync(log, "utf8"), roles);
}

async function execs(pod: Pod, container: string, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const { stdout, status } = await pod.execute(container, ["/bin/echo", "hello"]);
    if (stdout.toString() !== "hello\n" || status !== 0)
      throw new Error(`exec: exit code ${status}, output "${stdout}"`);
  }
}

function table(counts: ReadonlyMap<string, Counts>): string {
  const each = (role: string, name: string) => (counts.get(role)?.get(name) ?? 0) / EXECS;
  const total = (name: string) => ROLES.reduce((sum, role) => sum + each(role, name), 0);
  const names = [...new Set([...counts.values()].flatMap((its) => [...its.keys()]))].sort(
    (a, b) => total(b) - total(a),
  );
  const all = (value: (name: string) => number) => names.reduce((sum, name) => sum + value(name), 0);
  const number = (value: number) => (value === 0 ? "" : value.toFixed(1)).padStart(6);
  const row = (name: string, of: (role: string) => number, sum: number) => [
    name,
    ...ROLES.map((role) => number(of(role))),
    number(sum),
  ];
  // Calls made once in fifty execs or less don't belong to an exec.
  const shown = names.filter((name) => total(name) >= 0.05);
  const rows = [
    ["", ...ROLES.map((role) => role.padStart(6)), "   all"],
    ...shown.map((name) => row(name, (role) => each(role, name), total(name))),
    row("all", (role) => all((name) => each(role, name)), all(total)),
  ];
  return textTable(rows);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench:syscalls: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
