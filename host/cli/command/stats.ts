import type { Command } from "commander";
import type { grpc } from "../../../proto/gen/messages.js";
import { visible } from "../../visible.ts";
import { StateStore } from "../state-store.ts";
import { connectTo, findContainer, type TargetFlags, withTarget } from "../target.ts";
import { sizeText, textTable } from "../text-table.ts";

interface StatsFlags extends TargetFlags {
  readonly json?: true;
}

/** `guestctl stats`. */
export function addStats(program: Command): void {
  const command = program
    .command("stats")
    .summary("show what a container uses")
    .description("Shows what a container uses, by its cgroup: processor time, memory, tasks, disk.")
    .argument("<container>")
    .option("--json", "all of the agent's answer");
  withTarget(command).action((container: string, flags: StatsFlags) => stats(container, flags));
}

async function stats(text: string, flags: StatsFlags): Promise<void> {
  const target = findContainer(new StateStore(), flags, text);
  await using client = await connectTo(target);
  const answer = await client.agent.statsContainer({ container_id: target.container });
  process.stdout.write(
    flags.json ? visible(`${JSON.stringify(answer, null, 2)}\n`) : textTable(statsRows(answer.cgroup_stats)),
  );
}

/** Name and value of each number. Exported for its test. */
export function statsRows(stats: grpc.CgroupStats | null): string[][] {
  const { cpu_stats: cpu, memory_stats: memory, pids_stats: pids, blkio_stats: disk } = stats ?? {};
  const rows: string[][] = [];
  const time = cpu?.cpu_usage;
  if (time != null) {
    const parts = `user ${seconds(time.usage_in_usermode)}, system ${seconds(time.usage_in_kernelmode)}`;
    rows.push(["cpu time", seconds(time.total_usage), parts]);
  }
  const throttled = cpu?.throttling_data;
  if (throttled != null && throttled.throttled_periods > 0) {
    const periods = `${throttled.throttled_periods} of ${throttled.periods} periods`;
    rows.push(["cpu throttled", seconds(throttled.throttled_time), periods]);
  }
  const usage = memory?.usage;
  if (usage != null) {
    const hits = usage.failcnt === 0 ? "" : `, limit hit ${usage.failcnt} times`;
    const peak = usage.max_usage === 0 ? "" : `, peak ${sizeText(usage.max_usage)}`;
    rows.push(["memory", sizeText(usage.usage), `limit ${limitText(usage.limit)}${peak}${hits}`]);
    rows.push(["page cache", sizeText(memory?.cache ?? 0), ""]);
  }
  if (pids != null) rows.push(["tasks", String(pids.current), `limit ${pids.limit === 0 ? "none" : pids.limit}`]);
  const bytes = (op: string) =>
    (disk?.io_service_bytes_recursive ?? [])
      .filter((entry) => entry.op === op)
      .reduce((sum, { value }) => sum + value, 0);
  if (disk != null) rows.push(["disk", sizeText(bytes("read")), `read; ${sizeText(bytes("write"))} written`]);
  return rows;
}

function seconds(nanoseconds: number): string {
  return `${(nanoseconds / 1e9).toFixed(3)} s`;
}

/** Near the top of the range is "max". */
function limitText(bytes: number): string {
  return bytes >= 2 ** 62 ? "none" : sizeText(bytes);
}
