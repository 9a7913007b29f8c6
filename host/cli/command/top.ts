import { setTimeout as sleep } from "node:timers/promises";
import { isatty } from "node:tty";
import { type Command, InvalidArgumentError } from "commander";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import type { GuestNode } from "../../engine/tree/view-tree.ts";
import { CliError } from "../cli-error.ts";
import { isJson, jsonText, type OutputFlags, withOutput } from "../flags/output-flags.ts";
import { findTarget, type TargetFlags, withTarget } from "../guest/target.ts";
import { print } from "../output/print.ts";

interface TopFlags extends TargetFlags, OutputFlags {
  readonly once?: true;
  readonly interval: number;
}

/** How long a snapshot waits for guests that don't answer. */
const ANSWER_MS = 10_000;
const MIN_MS = 100;
const MAX_MS = 60_000;
/** Width of a snapshot that no terminal shows. */
const COLUMNS = 160;

const HELP = `
Guests appear and disappear as they are started and stopped. Press ? for the keys. Each guest sends only what changes, over one
stream; of other agents than guestd, containers that guestctl started are shown, and the agent is asked at each interval.

  guestctl top
  guestctl top --once --json --guest web`;

/** Adds `guestctl top`. */
export function addTop(program: Command): void {
  const command = program
    .command("top")
    .description("Show a live tree of guests, containers and processes with their usage, and act on them by keys.")
    .option("-i, --interval <time>", "time between updates, such as 500ms or 5s, from 100ms to 60s", interval, 1000)
    .option("--once", "print one snapshot, after two updates of each guest");
  withOutput(withTarget(command, "show only this guest"), "with --once: print an array of guests")
    .addHelpText("after", HELP)
    .action((flags: TopFlags) => top(flags));
}

async function top(flags: TopFlags): Promise<void> {
  if (!flags.once && isJson(flags)) throw new CliError("top: --json needs --once");
  const { guest, address } = flags;
  const store = new StateStore();
  if (guest !== undefined || address !== undefined) findTarget(store, flags);
  if (!flags.once) checkTerminal();
  const { LiveView } = await import("../../engine/tree/live-view.ts");
  const view = new LiveView(store, { intervalMs: flags.interval, guest, address });
  using interrupts = new Interrupts();
  try {
    if (flags.once) return await once(view, flags, interrupts.signal);
    const runTop = await loadTop();
    const hasColors = !process.env["NO_COLOR"];
    await runTop({ view, address, hasColors, signal: interrupts.signal });
    interrupts.signal.throwIfAborted();
  } finally {
    view.close();
  }
}

function checkTerminal(): void {
  if (!isatty(0) || !isatty(1)) {
    throw new CliError("top: stdin and stdout must be a terminal; add --once for a snapshot");
  }
  if (process.env["TERM"] === "dumb") {
    throw new CliError("top: the terminal can't move its cursor (TERM=dumb); add --once for a snapshot");
  }
}

/** Loads ink, which the npm package of guestd leaves to those who use this command. */
async function loadTop() {
  // React's development build is slower, and prints warnings for programmers.
  const { NODE_ENV } = process.env;
  process.env["NODE_ENV"] = "production";
  try {
    return (await import("../top/run-top.ts")).runTop;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    const remedy = 'run "npm install ink react" where guestd is installed, or add --once';
    throw new CliError(`top: the packages of the terminal view are not installed; ${remedy}`, { cause: error });
  } finally {
    if (NODE_ENV === undefined) delete process.env["NODE_ENV"];
    else process.env["NODE_ENV"] = NODE_ENV;
  }
}

/** Prints the guests once each has answered twice, so that rates are known. */
async function once(
  view: { readonly isSettled: boolean; guests(): readonly GuestNode[] },
  flags: TopFlags,
  signal: AbortSignal,
): Promise<void> {
  const isKnown = ({ link, usage, containers }: GuestNode) =>
    link === "lost" ||
    usage.cpu !== undefined ||
    (link === "polled" && containers.every((each) => each.usage.cpu !== undefined));
  for (let waited = 0; waited < ANSWER_MS && !(view.isSettled && view.guests().every(isKnown)); waited += MIN_MS) {
    await sleep(MIN_MS, undefined, { signal });
  }
  const guests = view.guests();
  if (isJson(flags)) return print(jsonText(guests));
  const [{ treeRows }, { headerLine, layoutFor, rowLine }] = await Promise.all([
    import("../../engine/tree/tree-rows.ts"),
    import("../top/top-columns.ts"),
  ]);
  const layout = layoutFor(process.stdout.columns || COLUMNS);
  const rows = treeRows(guests, { folded: new Set(), filter: "", sort: "name" });
  const lines = [headerLine(layout), ...rows.map((row) => rowLine(row, layout, false))];
  await print(lines.map((line) => `${line.trimEnd()}\n`).join(""));
}

/** Parses a time in ms or s. */
function interval(text: string): number {
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?)(ms|s)$/.exec(text) ?? [];
  const ms = Math.round(Number(number) * (unit === "s" ? 1000 : 1));
  if (number !== "" && ms >= MIN_MS && ms <= MAX_MS) return ms;
  throw new InvalidArgumentError("Expected a time from 100ms to 60s.");
}
