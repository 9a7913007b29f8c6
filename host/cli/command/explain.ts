import type { Command } from "commander";
import { Container } from "../../engine/container.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { CliError } from "../cli-error.ts";
import { isJson, jsonText, type OutputFlags, withOutput } from "../flags/output-flags.ts";
import { findContainer, type TargetFlags, withTarget } from "../guest/target.ts";
import { textTable } from "../output/text-table.ts";

interface ExplainFlags extends TargetFlags, OutputFlags {
  readonly spec?: string;
}

/** An operation, and its duration in µs if it was measured. */
interface Step {
  readonly operation: string;
  readonly object: string;
  readonly reason: string;
  readonly micros?: number | null | undefined;
}

/** Duration that stands for all longer ones, too. */
const LONGEST_MICROS = 65_535;

/** Widest padded cell: long capability lists don't widen the column, the field follows right after them. */
const WIDEST = 50;

const HELP = `
init creates a container from a launch plan: operations that run in a forked child, one after the other. Each line shows one
of them: the system call, what it acts on, and the OCI spec field it comes from. Of a container that runs, the first column
is how long it took, where that was measured. docs/launch-plan.md has the details.

  guestctl explain web
  guestctl explain --spec bundle/config.json`;

/** Adds `guestctl explain`. */
export function addExplain(program: Command): void {
  const command = program
    .command("explain")
    .description("Show the launch plan of a running container, or of an OCI config.json without a guest.")
    .argument("[container]")
    .option("--spec <file>", "explain an OCI config.json instead; needs no guest");
  withOutput(withTarget(command), "print an array of {operation, object, reason, micros}")
    .addHelpText("after", HELP)
    .action((container: string | undefined, flags: ExplainFlags) => explain(container, flags));
}

async function explain(container: string | undefined, flags: ExplainFlags): Promise<void> {
  if ((container === undefined) === (flags.spec === undefined)) {
    throw new CliError("explain: name either a container or a config.json with --spec");
  }
  const steps = flags.spec === undefined ? await ask(container ?? "", flags) : await explainFile(flags.spec);
  process.stdout.write(isJson(flags) ? jsonText(steps) : stepsText(steps));
}

/** The agent's plan compiler and the .proto parser are half of guestctl's modules, so only this command loads them. */
async function explainFile(path: string): Promise<readonly Step[]> {
  const { explainMessage } = await import("../../../agent/service/explain-spec.ts");
  const { readConfig } = await import("../../oci/config-json.ts");
  return explainMessage(readConfig(path));
}

/** Formats one line per operation, in order: its duration if any was measured, operation, object, reason. Exported for its test. */
export function stepsText(steps: readonly Step[]): string {
  const isMeasured = steps.some(({ micros }) => typeof micros === "number");
  const rows = steps.map(({ operation, object, reason, micros }) => {
    return [...(isMeasured ? [durationText(micros)] : []), operation, object, reason];
  });
  return textTable(rows, WIDEST);
}

function durationText(micros: number | null | undefined): string {
  if (typeof micros !== "number") return "-";
  return `${micros >= LONGEST_MICROS ? "≥ " : ""}${micros} µs`;
}

async function ask(text: string, flags: TargetFlags): Promise<readonly Step[]> {
  const store = new StateStore();
  return await new Container(store, findContainer(store, flags, text)).explain();
}
