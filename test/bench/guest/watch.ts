import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { textTable } from "../../../host/cli/output/text-table.ts";
import { readWatch } from "../../../host/client/streams/watch.ts";
import { chooseAccelerator } from "../../../host/vm/accelerator.ts";
import { startHostAgent } from "../../namespaces/testing/host-agent.ts";
import { Pod } from "../../scenarios/pod.ts";
import { startGuestMachine } from "../../vm/testing/guest-machine.ts";
import { buildShippedAgent } from "../shipped-agent.ts";

const HELP = `Measure what a watcher (guestctl top) costs an idle guest: all processor time of the agent, by its own counter.
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
  const { micros, over, updates } = await watch(machine.streams, seconds, intervalMs);
  const rows = [
    ["agent's processor time", `${((micros / over) * 100).toFixed(2)} %`],
    ["of an update", `${(micros / updates / 1000).toFixed(2)} ms`],
    ["updates", String(updates)],
  ];
  process.stdout.write(textTable(rows));
  const where = values.guest ? `in a guest, ${(await chooseAccelerator()).kind}` : "in namespaces of this machine";
  process.stdout.write(
    `One watcher, ${containers} idle containers, every ${intervalMs} ms for ${seconds} s; ${where}.\n`,
  );
}

/** Watches until some time after the agent is idle; returns its processor time in that time, by its own counter. */
async function watch(address: string, seconds: number, intervalMs: number) {
  let first: { readonly cpu: number; readonly at: number } | undefined;
  let last = { cpu: 0, at: 0 };
  let [updates, began] = [0, 0];
  for await (const message of readWatch(address, { intervalMs })) {
    if (message.type !== "update") throw new Error(`the connection is lost: ${message.reason}`);
    const { guest, micros: at } = message.update;
    last = { cpu: guest?.agent_cpu_micros ?? last.cpu, at };
    began ||= at;
    if (at - began < SETTLE_MS * 1000) continue;
    if (first === undefined) first = last;
    else updates++;
    if (at - first.at >= seconds * 1_000_000) break;
  }
  return { micros: last.cpu - (first?.cpu ?? 0), over: last.at - (first?.at ?? 0), updates };
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
