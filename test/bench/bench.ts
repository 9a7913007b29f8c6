import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { whyNoNamespaces } from "../init/testing/harness.ts";
import { runBeside } from "./beside/beside.ts";
import { medians, table } from "./report.ts";
import { runBench } from "./run-bench.ts";
import { buildShippedAgent } from "./shipped-agent.ts";

const root = join(import.meta.dirname, "../..");

/**
 * Prints a table of guestd's times on this machine without a VM, beside crun's and runc's; --json FILE writes the
 * medians. With --beside PATH, a table of this agent and another one of the contract.
 */
async function main(signal: AbortSignal): Promise<void> {
  const options = {
    json: { type: "string" },
    beside: { type: "string" },
    rounds: { type: "string", default: "11" },
  } as const;
  const { values } = parseArgs({ options });
  const reason = whyNoNamespaces();
  if (reason !== undefined) throw new Error(reason);
  progress("building the agent");
  mkdirSync(join(root, "build"), { recursive: true });
  // A separate directory for this run, since another may be in progress.
  const directory = mkdtempSync(join(root, "build/bench-"));
  try {
    const { beside: path, rounds } = values;
    if (path === undefined) return await measure(await buildShippedAgent(root, directory), signal, values.json);
    process.stdout.write(await runBeside(root, directory, { path, rounds: Number(rounds) }, signal, progress));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measure(command: readonly string[], signal: AbortSignal, json: string | undefined): Promise<void> {
  const results = await runBench(command, signal, progress);
  progress("");
  process.stdout.write(table(results));
  if (json !== undefined) writeFileSync(resolve(json), `${JSON.stringify(medians(results), undefined, 2)}\n`);
}

/** Shows progress on one line of a terminal; does nothing elsewhere. */
function progress(doing: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${doing}`);
}

// The first signal ends the current round and cleans up; a second one ends the process immediately.
const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(name, () => stop.abort());
try {
  await main(stop.signal);
} catch (error) {
  progress("");
  const why = stop.signal.aborted ? "interrupted" : error instanceof Error ? error.message : String(error);
  process.stderr.write(`bench: ${why}\n`);
  process.exitCode = 1;
}
