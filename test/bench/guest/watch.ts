import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { textTable } from "../../../host/cli/output/text-table.ts";
import { readWatch } from "../../../host/client/streams/watch.ts";
import { chooseAccelerator } from "../../../host/machine/accelerator.ts";
import { startHostAgent } from "../../namespaces/testing/host-agent.ts";
import type { Machine } from "../../scenarios/machine.ts";
import { Pod } from "../../scenarios/pod.ts";
import { startGuestMachine } from "../../vm/testing/guest-machine.ts";
import { buildShippedAgent } from "../shipped-agent.ts";

const HELP = `Measure what a watcher (guestctl top) costs an idle guest: the agent's processor time.
    --guest           use a real guest (default: init in namespaces of this machine, which needs root)
    --seconds N       time of each measurement (default: 20)
    --containers N    idle containers, with one process each (default: 10)
    --interval MS     time between two updates (default: 1000)
`;
/** The agent collects garbage for some seconds after any activity. */
const SETTLE_MS = 10_000;

const { values } = parseArgs({
  options: {
    guest: { type: "boolean" },
    seconds: { type: "string", default: "20" },
    containers: { type: "string", default: "10" },
    interval: { type: "string", default: "1000" },
    help: { type: "boolean" },
  },
});
if (values.help) process.stdout.write(HELP);
else await main(Number(values.seconds), Number(values.containers), Number(values.interval));

async function main(seconds: number, containers: number, intervalMs: number): Promise<void> {
  await using machine = values.guest ? await guest() : await namespaces();
  await using client = await machine.connect();
  const pod = await Pod.open(machine, client);
  for (let n = 0; n < containers; n++) await pod.start(["sleep", "100000"]);
  const [updates, stop] = [{ count: 0 }, new AbortController()];
  const rows = [["", "agent's processor time", "updates"]];
  rows.push(["no watcher", await processorTime(machine, seconds), ""]);
  const watching = watch(machine.streams, intervalMs, updates, stop.signal);
  rows.push(["one watcher", await processorTime(machine, seconds, updates), String(updates.count)]);
  stop.abort();
  await watching;
  process.stdout.write(textTable(rows));
  const where = values.guest ? `in a guest, ${(await chooseAccelerator()).kind}` : "in namespaces of this machine";
  process.stdout.write(`${containers} idle containers, every ${intervalMs} ms for ${seconds} s; ${where}.\n`);
}

async function watch(
  address: string,
  intervalMs: number,
  updates: { count: number },
  signal: AbortSignal,
): Promise<void> {
  for await (const message of readWatch(address, { intervalMs, signal })) {
    if (message.type !== "update") throw new Error(`the connection is lost: ${message.reason}`);
    updates.count++;
  }
}

/** Measures the agent for some time, after its collections of garbage have passed. Counts updates meanwhile. */
async function processorTime(machine: Machine, seconds: number, updates = { count: 0 }): Promise<string> {
  await sleep(SETTLE_MS);
  updates.count = 0;
  const [before, began] = [await agentNanos(machine), performance.now()];
  await sleep(seconds * 1000);
  const nanos = (await agentNanos(machine)) - before;
  return `${(nanos / 1e4 / (performance.now() - began)).toFixed(2)} %`;
}

/** Returns the time that all threads of the agent have run. */
async function agentNanos(machine: Machine): Promise<number> {
  const agent = "$(pidof node | tr ' ' '\\n' | sort -n | head -1)";
  const text = await machine.shell(`cat /proc/${agent}/task/*/schedstat`);
  return text
    .trim()
    .split("\n")
    .reduce((sum, line) => sum + Number(line.split(" ")[0]), 0);
}

async function guest() {
  const machine = await startGuestMachine();
  return Object.assign(machine, { streams: machine.guest.address(1028) });
}

async function namespaces() {
  const root = join(import.meta.dirname, "../../..");
  const directory = mkdtempSync(join(root, "build/watch-"));
  const machine = await startHostAgent({ agentCommand: await buildShippedAgent(root, directory) });
  return {
    ...machine,
    streams: `${machine.address}_1028`,
    async [Symbol.asyncDispose]() {
      await machine[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
