import { textTable } from "../../../host/cli/output/text-table.ts";
import type { Samples } from "../samples.ts";
import type { AgentInitramfs } from "./agent-initramfs.ts";
import type { AgentRounds } from "./agent-rounds.ts";

/** An agent's guest and the times of it. */
export interface MeasuredGuest {
  readonly rounds: AgentRounds;
  /** Undefined for a guest with an image. */
  readonly initramfs?: AgentInitramfs;
}

/** Goals for this agent's median by the other's: with its initramfs, and with its image. */
const AIMS: Readonly<Record<string, readonly [initramfs: string, image: string]>> = {
  "first answer, s": ["≤ 1.1", "≤ 0.8"],
  "first container's output, s": ["≤ 1.1", "≤ 0.8"],
  "ReadStdout, 32 KiB, MB/s": ["≥ 1", "≥ 1"],
};

type Row = readonly [name: string, of: (guest: MeasuredGuest) => number | undefined];

const median = (of: (rounds: AgentRounds) => Samples) => (guest: MeasuredGuest) => of(guest.rounds).median;
const mib = (bytes: number | undefined) => (bytes === undefined ? undefined : bytes / 2 ** 20);

const ROWS: readonly Row[] = [
  ["initramfs, MiB", ({ initramfs }) => mib(initramfs?.archive.length)],
  ["  unpacked, MiB", ({ initramfs }) => mib(initramfs?.unpacked)],
  ["QEMU to kernel, s", median(({ kernel }) => kernel)],
  ["kernel to init, s", median(({ init }) => init)],
  ["init to agent's exec, s", median(({ exec }) => exec)],
  ["agent's exec to answer, s", median(({ check }) => check)],
  ["first answer, s", median(({ answer }) => answer)],
  ["  QEMU's CPU, s", median(({ answerCpu }) => answerCpu)],
  ["first container's output, s", median(({ output }) => output)],
  ["  QEMU's CPU, s", median(({ outputCpu }) => outputCpu)],
  ["ReadStdout, 32 KiB, MB/s", median(({ speed }) => speed)],
];

/** Formats the medians of another agent's guest and of this one's two, each with its ratio to the other's. */
export function agentsTable(other: MeasuredGuest, own: MeasuredGuest, image: MeasuredGuest): string {
  const heads = [
    "",
    ...[other, own].map(({ rounds }) => rounds.name),
    "ratio",
    "aim",
    image.rounds.name,
    "ratio",
    "aim",
  ];
  const rows = ROWS.map(([name, of]) => {
    const aims = AIMS[name] ?? ["", ""];
    const theirs = of(other);
    return [
      name,
      digits(theirs),
      ...[own, image].flatMap((guest, at) => [...cells(of(guest), theirs), aims[at] ?? ""]),
    ];
  });
  return textTable([heads, ...rows]);
}

function cells(mine: number | undefined, theirs: number | undefined): readonly string[] {
  return mine === undefined || theirs === undefined ? ["", ""] : [digits(mine), (mine / theirs).toFixed(2)];
}

/** Formats three significant digits. */
function digits(value: number | undefined): string {
  return value === undefined ? "" : value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
