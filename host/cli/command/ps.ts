import type { Command } from "commander";
import type { grpc } from "../../../proto/gen/messages.js";
import type { AgentClient } from "../../client/agent-client.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { type GuestRecord, type ProcessRecord, StateStore } from "../state-store.ts";
import { connectTo, findTarget, type TargetFlags } from "../target.ts";
import { ageText, sizeText, textTable } from "../text-table.ts";

const HEADER = ["GUEST", "CONTAINER", "PROCESS", "STATE", "TASKS", "MEMORY", "AGE", "COMMAND"];
const ANSWER_MS = 5000;
const COMMAND_WIDTH = 40;

const HELP = `
The agent's contract has no call that lists containers. So this shows what guestctl itself started, as it noted below
\${XDG_RUNTIME_DIR:-/tmp}/guestd-<uid>/, and asks the agent for the numbers of each (StatsContainer). A container is
"running" while it has tasks, "exited" without, "gone" where the agent doesn't know it.`;

/** `guestctl ps`. */
export function addPs(program: Command): void {
  const command = program
    .command("ps")
    .summary("list guests, containers and processes")
    .description("Lists the guests of this user, their containers and their execs.");
  command
    .option("-g, --guest <name>", "only this guest")
    .addHelpText("after", HELP)
    .action((flags: TargetFlags) => ps(flags));
}

async function ps(flags: TargetFlags): Promise<void> {
  const store = new StateStore();
  const target = flags.guest === undefined ? undefined : findTarget(store, flags).guest;
  const guests = target === undefined ? store.guests() : [target];
  const rows = await Promise.all(guests.map((guest) => guestRows(guest, store.processes(guest.name))));
  process.stdout.write(textTable([HEADER, ...rows.flat()]));
}

async function guestRows(guest: GuestRecord, processes: readonly ProcessRecord[]): Promise<string[][]> {
  const age = ageText(guest.bootedAt);
  try {
    await using client = await connectTo({ address: guest.address, guest });
    if (processes.length === 0) {
      await client.health.check({}, { timeoutMs: ANSWER_MS });
      return [[guest.name, "-", "-", "idle", "", "", age, ""]];
    }
    const stats = new Map<string, Promise<string[]>>();
    for (const { container } of processes) {
      if (!stats.has(container)) stats.set(container, containerState(client, container));
    }
    return await Promise.all(
      processes.map(async (record) => processRow(guest.name, record, (await stats.get(record.container)) ?? [])),
    );
  } catch {
    return [[guest.name, "-", "-", "no answer", "", "", age, ""]];
  }
}

function processRow(guest: string, record: ProcessRecord, [state = "", tasks = "", memory = ""]: readonly string[]) {
  const { container, exec, startedAt } = record;
  const command = record.args.join(" ").replace(/\s+/g, " ");
  const shown = command.length > COMMAND_WIDTH ? `${command.slice(0, COMMAND_WIDTH - 1)}…` : command;
  const cells =
    exec === container ? ["init", state, tasks, memory] : [exec, state === "running" ? "exec" : state, "", ""];
  return [guest, container, ...cells, ageText(startedAt), shown];
}

/** State, tasks and memory. */
async function containerState(client: AgentClient, container: string): Promise<string[]> {
  try {
    const { cgroup_stats } = await client.agent.statsContainer({ container_id: container }, { timeoutMs: ANSWER_MS });
    return stateCells(cgroup_stats);
  } catch (error) {
    if (error instanceof RpcError && error.kind === "invalid-argument") return ["gone", "", ""];
    throw error;
  }
}

/** Exported for its test. */
export function stateCells(stats: grpc.CgroupStats | null): string[] {
  const tasks = stats?.pids_stats?.current;
  const memory = stats?.memory_stats?.usage?.usage;
  const state = tasks === undefined ? "unknown" : tasks > 0 ? "running" : "exited";
  return [state, tasks === undefined ? "" : String(tasks), memory === undefined ? "" : sizeText(memory)];
}
