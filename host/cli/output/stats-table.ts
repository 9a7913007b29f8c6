import type { grpc } from "../../../proto/gen/messages.js";
import { containerStats, limitText } from "../../engine/container/container-stats.ts";
import { diskBytes } from "../../engine/guest/disk-bytes.ts";
import { type ContainerTarget, connectTo } from "../../engine/guest/guest-target.ts";
import type { StateStore } from "../../engine/record/state-store.ts";
import { sizeText } from "../../size-text.ts";
import type { TargetFlags } from "../guest/target.ts";
import { textTable } from "./text-table.ts";

/** A container's resource usage at one moment. */
export interface StatsSample {
  readonly guest: string;
  readonly container: string;
  readonly stats: grpc.CgroupStats;
  /** Timestamp in milliseconds from performance.now(). */
  readonly at: number;
}

/** Samples these containers, or all running ones if none are given. Skips agents that don't answer. */
export async function sampleStats(
  store: StateStore,
  targets: readonly ContainerTarget[],
  flags: TargetFlags,
): Promise<readonly StatsSample[]> {
  const meant = targets.length > 0 ? targets : running(store, flags);
  const samples = await Promise.all(meant.map((target) => sample(target).catch(() => undefined)));
  return samples.filter((each) => each !== undefined);
}

function running(store: StateStore, flags: TargetFlags): readonly ContainerTarget[] {
  const guests = store.guests().filter(({ name }) => flags.guest === undefined || flags.guest === name);
  return guests.flatMap((guest) =>
    store.processes
      .list(guest.name)
      .filter((record) => record.exec === record.container && record.ended === undefined)
      .map((record) => ({ address: guest.address, guest, container: record.container, record })),
  );
}

async function sample(target: ContainerTarget): Promise<StatsSample | undefined> {
  await using client = await connectTo(target);
  const stats = await containerStats(client, target.container);
  if (stats === undefined) return undefined;
  return { guest: target.guest?.name ?? "", container: target.container, stats, at: performance.now() };
}

/** Formats one line per container. With earlier samples, adds the CPU usage since then. */
export function statsTable(samples: readonly StatsSample[], before: readonly StatsSample[] = []): string {
  const header = ["GUEST", "CONTAINER", "CPU", "CPU TIME", "MEMORY", "LIMIT", "TASKS", "READ", "WRITTEN"];
  return textTable([
    header,
    ...samples.map((now) =>
      row(
        now,
        before.find((each) => isSame(each, now)),
      ),
    ),
  ]);
}

function isSame(a: StatsSample, b: StatsSample): boolean {
  return a.guest === b.guest && a.container === b.container;
}

function row({ guest, container, stats, at }: StatsSample, before: StatsSample | undefined): string[] {
  const time = cpuTime(stats);
  const share = before === undefined ? undefined : (time - cpuTime(before.stats)) / ((at - before.at) * 1e4);
  const memory = stats.memory_stats?.usage;
  const limit = memory?.limit ?? 0;
  return [
    ...[guest, container, share === undefined ? "-" : `${share.toFixed(1)} %`, `${(time / 1e9).toFixed(2)} s`],
    ...[memory == null ? "" : sizeText(memory.usage), limit === 0 ? "none" : limitText(limit)],
    ...[
      String(stats.pids_stats?.current ?? ""),
      sizeText(diskBytes(stats, "read")),
      sizeText(diskBytes(stats, "write")),
    ],
  ];
}

/** Nanoseconds. */
function cpuTime(stats: grpc.CgroupStats): number {
  return stats.cpu_stats?.cpu_usage?.total_usage ?? 0;
}
