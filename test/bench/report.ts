import { availableParallelism, loadavg, release } from "node:os";
import type { CopyRounds } from "./copies/copy-rounds.ts";
import type { CallCpu } from "./process-usage.ts";
import type { Results } from "./run-bench.ts";
import type { Samples } from "./samples.ts";

interface Row {
  readonly name: string;
  readonly unit: string;
  readonly aim?: string;
  readonly guestd: Samples | number;
  /** Measurement of the other runtimes to compare with. */
  readonly beside?: "create" | "start" | "exec";
}

const DIGITS: Readonly<Record<string, number>> = { ms: 3, s: 2, "MB/s": 0, MiB: 1, "×": 2, "ms/MiB": 2 };
const mib = (kib: number) => kib / 1024;

function rows({ guestd, ...rest }: Results): Row[] {
  return [
    { name: "create", unit: "ms", aim: "≤ 1.2", guestd: guestd.create, beside: "create" },
    { name: "start", unit: "ms", aim: "≤ 0.3", guestd: guestd.start, beside: "start" },
    { name: "exec, output, wait", unit: "ms", aim: "≤ 1.1", guestd: guestd.exec, beside: "exec" },
    { name: "kill, wait, remove", unit: "ms", guestd: guestd.remove },
    { name: "Check", unit: "ms", aim: "≤ 0.04", guestd: guestd.check },
    { name: "GetMetrics", unit: "ms", aim: "≤ 5", guestd: guestd.metrics },
    { name: "ReadStdout, 32 KiB", unit: "MB/s", aim: "≥ 420", guestd: rest.stdout32k },
    { name: "ReadStdout, 8 KiB", unit: "MB/s", aim: "≥ 150", guestd: rest.stdout8k },
    { name: "exec through an attachment", unit: "ms", guestd: rest.attachments.exec },
    { name: "  by four of Kata's calls", unit: "×", aim: "≤ 0.75", guestd: execRatio(rest.attachments) },
    { name: "output through an attachment", unit: "MB/s", guestd: rest.attachments.output },
    { name: "  by ReadStdout, 32 KiB", unit: "×", aim: "≥ 4", guestd: outputRatio(rest) },
    { name: "  agent's CPU time", unit: "ms/MiB", aim: "≤ 1", guestd: rest.attachments.cpu.mib.micros / 1000 },
    {
      name: `${rest.idleAttachments.count} idle attachments`,
      unit: "MiB",
      aim: "≤ 6",
      guestd: mib(rest.idleAttachments.kib),
    },
    { name: "forward of a unix socket", unit: "MB/s", aim: "≥ 1000", guestd: rest.forwards.speed },
    { name: "  agent's CPU time", unit: "ms/MiB", guestd: rest.forwards.cpu.micros / 1000 },
    { name: "  connecting to first byte", unit: "ms", aim: "≤ 2", guestd: rest.forwards.firstByte },
    ...copyRows("cp of 1 GiB", rest.copies.big),
    ...copyRows("cp of 10,000 files", rest.copies.small),
    { name: "agent's exec to first answer", unit: "ms", aim: "≤ 60", guestd: rest.firstAnswer },
    { name: "agent's death to first answer", unit: "ms", aim: "≤ 120", guestd: rest.deathToAnswer },
    { name: "first Check", unit: "ms", guestd: rest.firstContainer.check },
    { name: "first create", unit: "ms", aim: "≤ 6", guestd: rest.firstContainer.create },
    { name: "first exec, output, wait", unit: "ms", aim: "≤ 2.5", guestd: rest.firstContainer.exec },
    { name: "agent's exec to first output", unit: "ms", aim: "≤ 60", guestd: rest.firstContainer.output },
    { name: "RSS, idle", unit: "MiB", guestd: mib(rest.idle.rssKib) },
    { name: "private dirty, idle", unit: "MiB", aim: "≤ 12", guestd: mib(rest.idle.privateDirtyKib) },
    { name: "private dirty, after", unit: "MiB", guestd: mib(rest.after.privateDirtyKib) },
    { name: "private dirty, 15 s later", unit: "MiB", aim: "≤ 17", guestd: mib(rest.settled.privateDirtyKib) },
    { name: "  of attachments and forwards", unit: "MiB", guestd: mib(rest.streamsSettled.privateDirtyKib) },
  ];
}

const copyRows = (name: string, copies: CopyRounds): Row[] => [
  { name: `${name}, in`, unit: "s", guestd: copies.in.median / 1000 },
  { name: "  by tar through exec", unit: "×", aim: "≤ 1", guestd: copies.in.median / copies.tarIn.median },
  { name: `${name}, out`, unit: "s", guestd: copies.out.median / 1000 },
  { name: "  by tar through exec", unit: "×", aim: "≤ 1", guestd: copies.out.median / copies.tarOut.median },
];

const execRatio = ({ exec, calls }: Results["attachments"]) => exec.median / calls.median;
const outputRatio = ({ attachments, stdout32k }: Pick<Results, "attachments" | "stdout32k">) =>
  attachments.output.median / stdout32k.median;

/** Formats the table for people, with notes on how to read it. */
export function table(results: Results): string {
  const { guestd, runtimes, stdout32k, firstAnswer, firstContainer } = results;
  const others = runtimes.flatMap(({ name }) => [name, "p95", "×"]);
  const heads = ["", "guestd", "p95", "aim", ...others, "unit"];
  const lines = rows(results).map((row) => {
    const own = cells(row.guestd, row.unit);
    const beside = runtimes.flatMap((runtime) => {
      const samples = row.beside === undefined ? undefined : runtime[row.beside];
      return [...cells(samples, row.unit), ratio(samples, row.guestd)];
    });
    return [row.name, ...own, row.aim ?? "", ...beside, row.unit];
  });
  const widths = heads.map((_, column) => Math.max(...[heads, ...lines].map((line) => line[column]?.length ?? 0)));
  const text = [heads, ...lines].map((line) =>
    line.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join("  "),
  );
  const [spawn] = runtimes.map((runtime) => runtime.spawn.median);
  const notes = [
    `Medians of ${guestd.create.count} (reads: ${stdout32k.count} transfers of 64 and 16 MiB; first answer: ${firstAnswer.count} starts; first calls: ${firstContainer.check.count} fresh agents); ` +
      `${availableParallelism()} CPUs, Linux ${release()}, load ${loadavg()[0]?.toFixed(1)}, Node ${process.version}.`,
    `The client is this process, over a unix socket: ${(guestd.clientMicros / guestd.calls).toFixed(0)} µs of its CPU time ` +
      "per call are part of guestd's numbers; exec is 4 calls one after the other, remove 3.",
    spawn === undefined
      ? "Neither crun nor runc is installed (apt-get install crun runc): their columns are left out."
      : "crun and runc by command line, same rootfs, namespaces, mounts and capabilities; × is their median by guestd's. All " +
        `three make a cgroup. Starting any program from here takes ${spawn.toFixed(1)} ms of each of their numbers.`,
  ];
  return `${text.join("\n")}\n\n${cpuLines(results).join("\n")}\n\n${notes.join("\n")}\n`;
}

/** Formats the agent's CPU time as means, since medians of ticks are meaningless. */
function cpuLines({ guestd: { cpu }, attachments, forwards }: Results): string[] {
  const line = (name: string, { micros, userMicros }: CallCpu) =>
    name.padEnd(28) + [micros, userMicros, micros - userMicros].map((value) => value.toFixed(0).padStart(8)).join("");
  return [
    `${"agent's CPU time, µs".padEnd(28)}     all    user  system`,
    line("create", cpu.create),
    line("start", cpu.start),
    line("exec, output, wait", cpu.exec),
    line("exec through an attachment", attachments.cpu.exec),
    line("  by four of Kata's calls", attachments.cpu.calls),
    line("kill, wait, remove", cpu.remove),
    line("Check", cpu.check),
    line("ReadStdout, 32 KiB", cpu.read32k),
    line("ReadStdout, 8 KiB", cpu.read8k),
    line("a MiB through an attachment", attachments.cpu.mib),
    line("a MiB through a forward", forwards.cpu),
  ];
}

/** Returns median and 95th percentile. */
function cells(value: Samples | number | undefined, unit: string): [string, string] {
  const digits = DIGITS[unit] ?? 3;
  if (value === undefined) return ["", ""];
  if (typeof value === "number") return [value.toFixed(digits), ""];
  return [value.median.toFixed(digits), value.p95.toFixed(digits)];
}

function ratio(other: Samples | undefined, own: Samples | number): string {
  return other === undefined || typeof own === "number" ? "" : (other.median / own.median).toFixed(1);
}

const copyMedians = (copies: CopyRounds) => ({
  in_ms: Math.round(copies.in.median),
  out_ms: Math.round(copies.out.median),
  tar_in_ms: Math.round(copies.tarIn.median),
  tar_out_ms: Math.round(copies.tarOut.median),
});

/** Returns the medians under the names that --json promises. */
export function medians(results: Results): object {
  const { guestd, runtimes, stdout32k, stdout8k, firstAnswer, firstContainer, idle, after, settled } = results;
  const { attachments, idleAttachments, forwards, copies } = results;
  const of = (samples: Samples) => Number(samples.median.toFixed(3));
  const cpuOf = ({ micros, userMicros }: CallCpu) => ({
    user_us: Number(userMicros.toFixed(1)),
    system_us: Number((micros - userMicros).toFixed(1)),
  });
  return {
    guestd: {
      create_ms: of(guestd.create),
      start_ms: of(guestd.start),
      exec_ms: of(guestd.exec),
      remove_ms: of(guestd.remove),
      check_ms: of(guestd.check),
      metrics_ms: of(guestd.metrics),
      stdout_32k_mbps: of(stdout32k),
      stdout_8k_mbps: of(stdout8k),
      attached_exec_ms: of(attachments.exec),
      attached_exec_ratio: Number(execRatio(attachments).toFixed(3)),
      attached_output_mbps: of(attachments.output),
      attached_output_ratio: Number(outputRatio(results).toFixed(3)),
      attached_idle_kib: idleAttachments.kib,
      forward_mbps: of(forwards.speed),
      forward_first_byte_ms: of(forwards.firstByte),
      copy_big: copyMedians(copies.big),
      copy_small: copyMedians(copies.small),
      cpu: {
        create: cpuOf(guestd.cpu.create),
        start: cpuOf(guestd.cpu.start),
        exec: cpuOf(guestd.cpu.exec),
        remove: cpuOf(guestd.cpu.remove),
        check: cpuOf(guestd.cpu.check),
        read_32k: cpuOf(guestd.cpu.read32k),
        read_8k: cpuOf(guestd.cpu.read8k),
        attached_exec: cpuOf(attachments.cpu.exec),
        attached_mib: cpuOf(attachments.cpu.mib),
        forwarded_mib: cpuOf(forwards.cpu),
      },
      first_answer_ms: of(firstAnswer),
      death_to_answer_ms: of(results.deathToAnswer),
      rss_kib: idle.rssKib,
      private_dirty_kib: idle.privateDirtyKib,
      private_dirty_after_kib: after.privateDirtyKib,
      private_dirty_settled_kib: settled.privateDirtyKib,
      private_dirty_streams_settled_kib: results.streamsSettled.privateDirtyKib,
      first_check_ms: of(firstContainer.check),
      first_create_ms: of(firstContainer.create),
      first_exec_ms: of(firstContainer.exec),
      first_output_ms: of(firstContainer.output),
    },
    ...Object.fromEntries(
      runtimes.map(({ name, create, start, exec }) => [
        name,
        { create_ms: of(create), start_ms: of(start), exec_ms: of(exec) },
      ]),
    ),
  };
}
