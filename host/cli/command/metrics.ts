import type { Command } from "commander";
import { connectTo } from "../../guests/guest-target.ts";
import { StateStore } from "../../state/state-store.ts";
import { visible } from "../../visible.ts";
import { pattern } from "../flags/option-values.ts";
import { findTarget, type TargetFlags, withTarget } from "../guest/target.ts";

interface MetricsFlags extends TargetFlags {
  readonly grep?: RegExp;
}

/** Adds `guestctl metrics`. */
export function addMetrics(program: Command): void {
  const command = program
    .command("metrics")
    .summary("print the guest's metrics")
    .description("Print the metrics of a guest and its agent, as Prometheus text.")
    .option("--grep <pattern>", "print only samples that match", pattern);
  withTarget(command).action((flags: MetricsFlags) => metrics(flags));
}

async function metrics(flags: MetricsFlags): Promise<void> {
  await using client = await connectTo(findTarget(new StateStore(), flags));
  const { metrics: text } = await client.agent.getMetrics({});
  process.stdout.write(visible(flags.grep === undefined ? text : matchingSamples(text, flags.grep)));
}

/** Returns the samples that match, without comments. */
export function matchingSamples(text: string, wanted: RegExp): string {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#") && wanted.test(line));
  return lines.map((line) => `${line}\n`).join("");
}
