import { availableParallelism, loadavg, release } from "node:os";
import { textTable } from "../../../host/cli/output/text-table.ts";
import type { Samples } from "../samples.ts";
import type { PodLife } from "./pod-life.ts";
import type { WarmRounds } from "./warm-rounds.ts";

/** An agent's measurements. */
export interface Measured {
  readonly name: string;
  readonly life: PodLife;
  readonly warm: WarmRounds;
}

/** Goals for this agent's median by the other's, by row. */
const AIMS: Readonly<Record<string, string>> = {
  "exec to first Check": "≤ 4",
  "second Check": "≤ 1.5",
  CreateSandbox: "≤ 1",
  "first create": "≤ 0.3",
  "first start": "≤ 1",
  "second start": "≤ 1",
  "first exec, output, wait": "≤ 0.4",
  create: "≤ 0.3",
  start: "≤ 1",
  "exec, output, wait": "≤ 0.25",
  "kill, wait, remove, again": "≤ 0.5",
  Check: "≤ 1.2",
  "ReadStdout, 32 KiB, MB/s": "≥ 1.2",
  "ReadStdout, 8 KiB, MB/s": "≥ 1.2",
  "private dirty after, MiB": "≤ 0.5",
};

/** A row: its name, its value, and the processor time of the agent's own process for it. */
type Row = readonly [
  name: string,
  of: (measured: Measured) => Samples | undefined,
  cpuOf?: (measured: Measured) => Samples | undefined,
];

const WARM: readonly Row[] = [
  ["create", ({ warm }) => warm.create, ({ warm }) => warm.cpu.create],
  ["start", ({ warm }) => warm.start, ({ warm }) => warm.cpu.start],
  ["exec, output, wait", ({ warm }) => warm.exec, ({ warm }) => warm.cpu.exec],
  ["kill, wait, remove, again", ({ warm }) => warm.remove, ({ warm }) => warm.cpu.remove],
  ["Check", ({ warm }) => warm.check, ({ warm }) => warm.cpu.check],
  ["ReadStdout, 32 KiB, MB/s", ({ warm }) => warm.stdout32k],
  ["ReadStdout, 8 KiB, MB/s", ({ warm }) => warm.stdout8k],
  ["private dirty idle, MiB", ({ warm }) => warm.idleMib],
  ["private dirty after, MiB", ({ warm }) => warm.afterMib],
];

/**
 * Formats the table: medians of both agents, ms if a row names no unit, and the first one's by the other's. `nodeMs` is the
 * start of the own agent's Node.
 */
export function besideTable(own: Measured, other: Measured, nodeMs: number): string {
  const life: Row[] = [...own.life.steps.keys()].map((step) => [
    step,
    (measured) => measured.life.steps.get(step),
    (measured) => measured.life.stepCpu.get(step),
  ]);
  const cold: Row[] = [
    ...life,
    ["all of it", (measured) => measured.life.whole],
    ["all of it, CPU", (measured) => measured.life.cpu],
    ["private dirty then, MiB", (measured) => measured.life.dirtyMib],
  ];
  const heads = ["", other.name, own.name, "ratio", "aim", "CPU", ""];
  const rows = (list: readonly Row[]) => list.map((row) => cells(row, own, other));
  const title = (name: string) => [name, "", "", "", "", "", ""];
  const table = [heads, title("each once, in a fresh agent"), ...rows(cold), title("many times"), ...rows(WARM)];
  const notes = `Medians in ms of ${own.life.whole.count} fresh agents of each, in turns, in namespaces of this machine by one client; \
${availableParallelism()} CPUs, Linux ${release()}, load ${loadavg()[0]?.toFixed(1)}, Node ${process.version}. The columns of CPU are \
the agents' own processes, in the order of the others; the row is the agent with its helpers and containers. The same Node takes ${digits(nodeMs)} ms from its exec to the first statement of an empty program.\n`;
  return `${textTable(table)}\n${notes}`;
}

function cells([name, of, cpuOf]: Row, own: Measured, other: Measured): string[] {
  const [mine, theirs] = [own, other].map((measured) => of(measured)?.median ?? Number.NaN) as [number, number];
  const cpu = [other, own].map((measured) =>
    cpuOf === undefined ? "" : digits(cpuOf(measured)?.median ?? Number.NaN),
  );
  return [name, digits(theirs), digits(mine), (mine / theirs).toFixed(2), AIMS[name] ?? "", ...cpu];
}

/** Formats three significant digits. */
function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
