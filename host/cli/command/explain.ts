import type { Command } from "commander";
import type { guestd } from "../../../proto/gen/messages.js";
import { visible } from "../../visible.ts";
import { CliError } from "../cli-error.ts";
import { StateStore } from "../state-store.ts";
import { connectTo, findContainer, type TargetFlags, withTarget } from "../target.ts";
import { textTable } from "../text-table.ts";

interface ExplainFlags extends TargetFlags {
  readonly spec?: string;
  readonly json?: true;
}

/** A list of capabilities may be longer than any screen: the field follows it where it ends. */
const WIDEST = 50;

const HELP = `
A container is made by a launch plan: operations that init runs in a forked child, one after the other. Each line is one:
the system call, what it acts on, and the field of the OCI spec that it comes from. docs/launch-plan.md says more.

  guestctl explain web
  guestctl explain --spec bundle/config.json`;

/** `guestctl explain`. */
export function addExplain(program: Command): void {
  const command = program
    .command("explain")
    .summary("show how a container is made, call by call")
    .description("Shows the launch plan of a container that runs, or of an OCI config.json without any guest.")
    .argument("[container]")
    .option("--spec <file>", "an OCI config.json instead of a container; no guest is needed")
    .option("--json", "as a list of {operation, object, reason}");
  withTarget(command)
    .addHelpText("after", HELP)
    .action((container: string | undefined, flags: ExplainFlags) => explain(container, flags));
}

async function explain(container: string | undefined, flags: ExplainFlags): Promise<void> {
  if ((container === undefined) === (flags.spec === undefined)) {
    throw new CliError("explain: say either a container or --spec with a config.json");
  }
  const steps = flags.spec === undefined ? await ask(container ?? "", flags) : await explainFile(flags.spec);
  process.stdout.write(flags.json ? visible(`${JSON.stringify(steps, null, 2)}\n`) : stepsText(steps));
}

/** Half of the modules of guestctl are the agent's compiler of plans and the parser of .proto files: loaded here alone. */
async function explainFile(path: string): Promise<guestd.v1.PlanStep[]> {
  const { explainMessage } = await import("../../../agent/service/explain-spec.ts");
  const { readConfig } = await import("../../oci/config-json.ts");
  return explainMessage(readConfig(path));
}

/** A line for each operation, in order: what, on what, why. Exported for its test. */
export function stepsText(steps: readonly Pick<guestd.v1.PlanStep, "operation" | "object" | "reason">[]): string {
  return textTable(
    steps.map(({ operation, object, reason }) => [operation, object, reason]),
    WIDEST,
  );
}

async function ask(text: string, flags: TargetFlags): Promise<guestd.v1.PlanStep[]> {
  const target = findContainer(new StateStore(), flags, text);
  await using client = await connectTo(target);
  const { steps } = await client.guest.explain({ container_id: target.container });
  return steps;
}
