import { setTimeout as delay } from "node:timers/promises";
import type { Command } from "commander";
import type { grpc } from "../../../proto/gen/messages.js";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import { limitText } from "../../engine/container/container-stats.ts";
import { Container } from "../../engine/container.ts";
import { diskBytes } from "../../engine/guest/disk-bytes.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { sizeText } from "../../size-text.ts";
import { CliError } from "../cli-error.ts";
import { isJson, jsonText, type OutputFlags, withOutput } from "../flags/output-flags.ts";
import { findContainer, type TargetFlags, withTarget } from "../guest/target.ts";
import { print } from "../output/print.ts";
import { type StatsSample, sampleStats, statsTable } from "../output/stats-table.ts";
import { textTable } from "../output/text-table.ts";

interface StatsFlags extends TargetFlags, OutputFlags {
  readonly watch?: true;
}

const EVERY_MS = 1000;
/** Time over which CPU usage is measured without --watch. */
const SAMPLE_MS = 500;
/** Moves a terminal's cursor home and clears the screen, so that each table replaces the previous one. */
const CLEAR = "\u001b[H\u001b[2J";

/** Adds `guestctl stats`. */
export function addStats(program: Command): void {
  const command = program
    .command("stats")
    .description("Show the cgroup usage of all running containers, or of one in detail.")
    .argument("[containers...]")
    .option("--watch", "repeat every second, until ^C")
    .option("--no-stream", "print once, which is the default");
  withOutput(
    withTarget(command),
    "print an array of {guest, container, stats}; of one container the agent's answer",
  ).action((containers: readonly string[], flags: StatsFlags) => stats(containers, flags));
}

async function stats(containers: readonly string[], flags: StatsFlags): Promise<void> {
  const [only] = containers;
  if (flags.watch) return watch(containers, flags);
  if (only !== undefined && containers.length === 1) return one(only, flags);
  const before = isJson(flags) ? [] : await sampleAll(containers, flags);
  // CPU usage is a difference: two samples show it.
  if (before.length > 0) await delay(SAMPLE_MS);
  const samples = await sampleAll(containers, flags);
  const all = samples.map(({ guest, container, stats: answer }) => ({ guest, container, stats: answer }));
  await print(isJson(flags) ? jsonText(all) : statsTable(samples, before));
}

async function one(text: string, flags: StatsFlags): Promise<void> {
  const store = new StateStore();
  const answer = await new Container(store, findContainer(store, flags, text)).stats();
  await print(isJson(flags) ? jsonText(answer) : textTable(statsRows(answer.cgroup_stats)));
}

async function watch(containers: readonly string[], flags: StatsFlags): Promise<void> {
  if (isJson(flags)) throw new CliError("stats: --json can't be combined with --watch");
  using interrupts = new Interrupts();
  const stop = new AbortController();
  interrupts.handle(() => stop.abort());
  let before: readonly StatsSample[] = [];
  while (!stop.signal.aborted) {
    const samples = await sampleAll(containers, flags);
    await print(`${process.stdout.isTTY ? CLEAR : ""}${statsTable(samples, before)}`);
    before = samples;
    await delay(EVERY_MS, undefined, { signal: stop.signal }).catch(() => undefined);
  }
}

function sampleAll(containers: readonly string[], flags: StatsFlags): Promise<readonly StatsSample[]> {
  if (flags.address !== undefined && containers.length === 0) {
    throw new CliError("stats: no container given; with --address guestctl can't list them");
  }
  const store = new StateStore();
  const targets = containers.map((text) => findContainer(store, flags, text));
  return sampleStats(store, targets, flags);
}

/** Lists the name and value of each number. Exported for its test. */
export function statsRows(stats: grpc.CgroupStats | null): string[][] {
  const { cpu_stats: cpu, memory_stats: memory, pids_stats: pids } = stats ?? {};
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
  if (stats?.blkio_stats != null) {
    const [read, written] = [diskBytes(stats, "read"), diskBytes(stats, "write")];
    rows.push(["disk", sizeText(read), `read; ${sizeText(written)} written`]);
  }
  return rows;
}

function seconds(nanoseconds: number): string {
  return `${(nanoseconds / 1e9).toFixed(3)} s`;
}
