import { type Command, InvalidArgumentError, Option } from "commander";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import { Guest } from "../../engine/guest.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { oneLine } from "../../operation-error.ts";
import { visible } from "../../visible.ts";
import { CliError } from "../cli-error.ts";
import { type Place, placePair, placeText } from "../flags/forward-places.ts";
import { pattern } from "../flags/option-values.ts";
import { findTarget, type TargetFlags, withTarget } from "../guest/target.ts";
import { print } from "../output/print.ts";

interface MetricsFlags extends TargetFlags {
  readonly grep?: RegExp;
  readonly all?: true;
  readonly listen?: Place;
  readonly host?: readonly string[];
}

const HELP = `
With --all the metrics are those of this user's guests together: how many there are, their boots, calls and errors. With
--listen they are served at /metrics until it is interrupted, to requests that name this machine: by localhost, the address
that they reach, or a name of --host. --address adds an agent that is not in a guest of guestctl.

Examples:
  guestctl metrics --guest web --grep meminfo
  guestctl metrics --all
  guestctl metrics --listen 9464                          http://127.0.0.1:9464/metrics
  guestctl metrics --listen unix:/run/guestd.sock --address unix:///run/guestd/agent.sock`;

/** Adds `guestctl metrics`. */
export function addMetrics(program: Command): void {
  const command = program
    .command("metrics")
    .description("Print the metrics of a guest and its agent, or those of all guests, as Prometheus text.")
    .option("--grep <pattern>", "print only samples that match", pattern)
    .option("-a, --all", "print the metrics of all guests together");
  command.addOption(
    new Option("--listen <place>", "serve the metrics of all guests: [ADDRESS:]PORT or unix:PATH").argParser(place),
  );
  command.option("--host <name>", "with --listen: a name of this machine that requests may have; repeatable", hosts);
  withTarget(command)
    .addHelpText("after", HELP)
    .action((flags: MetricsFlags) => metrics(flags));
}

function place(text: string): Place {
  try {
    return placePair(`${text}:1`).first;
  } catch {
    throw new InvalidArgumentError("Expected [ADDRESS:]PORT or unix:PATH.");
  }
}

function hosts(text: string, before: readonly string[] = []): readonly string[] {
  if (!/^[A-Za-z0-9_.-]+$/.test(text)) throw new InvalidArgumentError("Expected a name, without a port.");
  return [...before, text.toLowerCase()];
}

async function metrics(flags: MetricsFlags): Promise<void> {
  if (flags.listen !== undefined) return serve(flags, flags.listen);
  if (flags.host !== undefined) throw new CliError("metrics: --host needs --listen");
  const text = flags.all ? await (await scrapeOf(flags))() : await guestMetrics(flags);
  await print(visible(flags.grep === undefined ? text : matchingSamples(text, flags.grep)));
}

async function guestMetrics(flags: TargetFlags): Promise<string> {
  const store = new StateStore();
  return await new Guest(store, findTarget(store, flags)).metrics();
}

async function serve(flags: MetricsFlags, at: Place): Promise<void> {
  if (flags.grep !== undefined) throw new CliError("metrics: --grep can't be combined with --listen");
  const scrape = await scrapeOf(flags);
  const { serveMetrics } = await import("../../metrics/serve-metrics.ts");
  using interrupts = new Interrupts();
  await using served = await serveMetrics(at, scrape, flags.host).catch((error: Error) => {
    throw new CliError(`listen on ${placeText(at)}: ${oneLine(error)}`);
  });
  await print(`metrics at ${at.path === undefined ? `http://${placeText(at, served.port)}` : placeText(at)}/metrics\n`);
  process.exitCode = 128 + (await interrupts.next());
}

/** Returns the function that collects the metrics of all guests. */
async function scrapeOf({ guest, address }: MetricsFlags): Promise<() => Promise<string>> {
  if (guest !== undefined) throw new CliError("metrics: --guest is for one guest; leave it out, or --all and --listen");
  const { hostMetrics } = await import("../../metrics/host-metrics.ts");
  const store = new StateStore();
  const more = address === undefined ? [] : [{ name: address, target: { address } }];
  return () => hostMetrics(store, more);
}

/** Returns the samples that match, without comments. */
export function matchingSamples(text: string, wanted: RegExp): string {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#") && wanted.test(line));
  return lines.map((line) => `${line}\n`).join("");
}
