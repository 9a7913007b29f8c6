import type { Command } from "commander";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { OperationError } from "../../operation-error.ts";
import { otlpEndpoint } from "../../trace/otlp-endpoint.ts";
import { CliError } from "../cli-error.ts";
import { findTarget, type TargetFlags, withTarget } from "../guest/target.ts";
import { print } from "../output/print.ts";

interface TracesFlags extends TargetFlags {
  readonly to?: string;
}

const HELP = `
Runs until it is interrupted. The agent must trace its calls (agent.trace=true). Guests that were booted with
OTEL_EXPORTER_OTLP_ENDPOINT set do both by themselves.`;

/** Adds `guestctl traces`. */
export function addTraces(program: Command): void {
  const command = program
    .command("traces")
    .description("Receive the spans of an agent and send them to a collector, as OTLP over HTTP.")
    .option("--to <url>", "collector, such as http://127.0.0.1:4318 (default: $OTEL_EXPORTER_OTLP_ENDPOINT)");
  withTarget(command)
    .addHelpText("after", HELP)
    .action((flags: TracesFlags) => traces(flags));
}

async function traces({ to, ...flags }: TracesFlags): Promise<void> {
  const { address, guest } = findTarget(new StateStore(), flags);
  const endpoint = otlpEndpoint(to === undefined ? process.env : { OTEL_EXPORTER_OTLP_ENDPOINT: to });
  if (endpoint === undefined) throw new CliError("traces: no collector given; add --to http://127.0.0.1:4318");
  const { forwardSpans } = await import("../../trace/forward-spans.ts");
  using interrupts = new Interrupts();
  const report = (line: string) => void process.stderr.write(`guestctl: ${line}\n`);
  const spans = await forwardSpans(address, guest?.name ?? address, endpoint, report).catch((error: Error) => {
    throw new OperationError(error.message, { cause: error });
  });
  await print(`spans of ${address} -> ${endpoint.url}\n`);
  process.exitCode = 128 + (await interrupts.next());
  spans.close();
}
