import { availableParallelism, loadavg, release } from "node:os";
import type { Results } from "./run-bench.ts";
import type { Samples } from "./samples.ts";

interface Row {
  readonly name: string;
  readonly unit: string;
  readonly aim?: string;
  readonly guestd: Samples | number;
  readonly crun?: Samples | undefined;
}

const DIGITS: Readonly<Record<string, number>> = { ms: 3, "MB/s": 0, MiB: 1 };
const mib = (kib: number) => kib / 1024;

function rows({ guestd, crun, ...rest }: Results): Row[] {
  return [
    { name: "create", unit: "ms", aim: "≤ 1.2", guestd: guestd.create, crun: crun?.create },
    { name: "start", unit: "ms", aim: "≤ 0.4", guestd: guestd.start, crun: crun?.start },
    { name: "exec, output, wait", unit: "ms", aim: "≤ 1.5", guestd: guestd.exec, crun: crun?.exec },
    { name: "kill, wait, remove", unit: "ms", guestd: guestd.remove },
    { name: "Check", unit: "ms", guestd: guestd.check },
    { name: "ReadStdout, 32 KiB", unit: "MB/s", aim: "≥ 200", guestd: rest.stdout32k },
    { name: "ReadStdout, 8 KiB", unit: "MB/s", guestd: rest.stdout8k },
    { name: "agent's exec to first answer", unit: "ms", aim: "≤ 60", guestd: rest.firstAnswer },
    { name: "RSS, idle", unit: "MiB", guestd: mib(rest.idle.rssKib) },
    { name: "private dirty, idle", unit: "MiB", aim: "≤ 14", guestd: mib(rest.idle.privateDirtyKib) },
    { name: "private dirty, after", unit: "MiB", guestd: mib(rest.after.privateDirtyKib) },
  ];
}

/** The table for people, with what has to be known to read it. */
export function table(results: Results): string {
  const { guestd, crun, stdout32k, firstAnswer } = results;
  const heads = ["", "guestd", "p95", "aim", ...(crun === undefined ? [] : ["crun", "p95"]), "unit"];
  const lines = rows(results).map((row) => {
    const digits = DIGITS[row.unit] ?? 3;
    const pair = (value: Samples | number | undefined) =>
      value === undefined
        ? ["", ""]
        : typeof value === "number"
          ? [value.toFixed(digits), ""]
          : [value.median.toFixed(digits), value.p95.toFixed(digits)];
    return [row.name, ...pair(row.guestd), row.aim ?? "", ...(crun === undefined ? [] : pair(row.crun)), row.unit];
  });
  const widths = heads.map((_, column) => Math.max(...[heads, ...lines].map((line) => line[column]?.length ?? 0)));
  const text = [heads, ...lines].map((line) =>
    line.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join("  "),
  );
  const notes = [
    `Medians of ${guestd.create.count} (reads: ${stdout32k.count} transfers of 64 and 16 MiB; first answer: ${firstAnswer.count} starts); ` +
      `${availableParallelism()} CPUs, Linux ${release()}, load ${loadavg()[0]?.toFixed(1)}, Node ${process.version}.`,
    `The client is this process, over a unix socket: ${(guestd.clientMicros / guestd.calls).toFixed(0)} µs of its CPU time ` +
      "per call are part of guestd's numbers; exec is 4 calls one after the other, remove 3.",
    crun === undefined
      ? "crun is not installed (apt-get install crun): its column is left out."
      : "crun by command line, same rootfs, namespaces, mounts and capabilities, without a cgroup; guestd makes one. " +
        `Starting any program from here takes ${crun.spawn.median.toFixed(1)} ms of each of its numbers.`,
  ];
  return `${text.join("\n")}\n\n${notes.join("\n")}\n`;
}

/** The medians under the names that --json promises. */
export function medians(results: Results): object {
  const { guestd, crun, stdout32k, stdout8k, firstAnswer, idle, after } = results;
  const of = (samples: Samples) => Number(samples.median.toFixed(3));
  return {
    guestd: {
      create_ms: of(guestd.create),
      start_ms: of(guestd.start),
      exec_ms: of(guestd.exec),
      remove_ms: of(guestd.remove),
      check_ms: of(guestd.check),
      stdout_32k_mbps: of(stdout32k),
      stdout_8k_mbps: of(stdout8k),
      first_answer_ms: of(firstAnswer),
      rss_kib: idle.rssKib,
      private_dirty_kib: idle.privateDirtyKib,
      private_dirty_after_kib: after.privateDirtyKib,
    },
    ...(crun === undefined
      ? {}
      : { crun: { create_ms: of(crun.create), start_ms: of(crun.start), exec_ms: of(crun.exec) } }),
  };
}
