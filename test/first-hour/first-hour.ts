import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { onProcessEnd } from "../../lib/process-end.ts";
import { reason } from "../../lib/reason.ts";
import { DebianSession } from "../nightly/testing/debian-session.ts";
import { hourTable } from "./hour-table.ts";
import { prepareMachine } from "./prepared-machine.ts";
import { type DoneStep, doStep } from "./step.ts";
import { GROUPS } from "./steps/groups.ts";
import { whyNoHour } from "./why-no-hour.ts";

const HELP = `npm run first-hour [-- [--keep DIR] [GROUP…]]

Do what a new user does in the first hour, in a new Debian 12 as an ordinary user, and check each output.
    --keep DIR   prepare the machine in DIR and keep it, or use the one that is there
    GROUP        only these: ${Object.keys(GROUPS).join(", ")}
Exits with 1 if a step failed. Needs root, debootstrap and 12 GB in /var/tmp or DIR.`;

async function main(): Promise<void> {
  const options = { keep: { type: "string" }, help: { type: "boolean" } } as const;
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  if (values.help) return void process.stdout.write(`${HELP}\n`);
  const unknown = positionals.filter((name) => !(name in GROUPS));
  if (unknown.length > 0)
    throw new Error(`no group ${unknown.join(", ")}; there are ${Object.keys(GROUPS).join(", ")}`);
  const why = whyNoHour();
  if (why !== undefined) throw new Error(why);
  const directory = values.keep ?? mkdtempSync("/var/tmp/guestd-first-hour-");
  mkdirSync(directory, { recursive: true });
  const remove = () => {
    if (values.keep === undefined) rmSync(directory, { recursive: true, force: true });
  };
  const forget = onProcessEnd(remove);
  try {
    const root = await prepareMachine(directory, (name, seconds) => print("ready", seconds, name));
    const done = await hour(root, positionals);
    process.stdout.write(`\n${hourTable(done)}`);
    const failed = done.filter(({ failure }) => failure !== undefined);
    process.stdout.write(`\n${done.length - failed.length} of ${done.length} steps succeeded\n`);
    if (failed.length > 0) process.exitCode = 1;
  } finally {
    forget();
    remove();
  }
}

/** Does all steps, or those of some groups after the installation, one after the other. Continues after a failed one. */
async function hour(root: string, groups: readonly string[]): Promise<readonly DoneStep[]> {
  const session = await DebianSession.open(root);
  const done: DoneStep[] = [];
  try {
    for (const [group, steps] of Object.entries(GROUPS)) {
      if (groups.length > 0 && !groups.includes(group)) continue;
      for (const step of steps) {
        const result = await doStep(session, step);
        print(result.failure === undefined ? "ok" : "FAILED", result.seconds, `${group}: ${step.name}`);
        if (result.failure !== undefined) process.stdout.write(`${result.failure.replaceAll(/^/gm, "    ")}\n`);
        done.push(result);
      }
    }
  } finally {
    await session.close();
  }
  return done;
}

function print(state: string, seconds: number, text: string): void {
  process.stdout.write(`${state.padEnd(6)} ${seconds.toFixed(1).padStart(6)} s  ${text}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`first-hour: ${reason(error)}\n`);
  process.exitCode = 1;
}
