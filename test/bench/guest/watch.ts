import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { textTable } from "../../../host/cli/output/text-table.ts";
import { readWatch } from "../../../host/client/streams/watch.ts";
import { chooseAccelerator } from "../../../host/machine/accelerator.ts";
import { startHostAgent } from "../../namespaces/testing/host-agent.ts";
import { Pod } from "../../scenarios/pod.ts";
import { startGuestMachine } from "../../vm/testing/guest-machine.ts";
import { buildShippedAgent } from "../shipped-agent.ts";

const HELP = `Measure what a watcher (guestctl top) costs an idle guest: the agent's processor time, by its own counter.
    --guest           use a real guest (default: init in namespaces of this machine, which needs root)
    --seconds N       time of each measurement (default: 20)
    --containers N    idle containers, with one process each (default: 10)
    --interval MS     time between two updates (default: 1000)
`;
const SETTLE_MS = 3000;

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
  await sleep(SETTLE_MS);
  const idle = await withoutWatcher(machine.streams, seconds);
  const watched = await withWatcher(machine.streams, seconds, intervalMs);
  const percent = (micros: number, over: number) => `${((micros / over) * 100).toFixed(2)} %`;
  const rows = [
    ["", "agent's processor time", "updates"],
    ["no watcher", percent(idle.micros, idle.over), ""],
    ["one watcher", percent(watched.micros, watched.over), String(watched.updates)],
  ];
  process.stdout.write(textTable(rows));
  const where = values.guest ? `in a guest, ${(await chooseAccelerator()).kind}` : "in namespaces of this machine";
  process.stdout.write(`${containers} idle containers, every ${intervalMs} ms for ${seconds} s; ${where}.\n`);
  await pod.client.agent.destroySandbox({}).catch(() => undefined);
}

/** Returns the agent's processor time between two connections, and the time between them, in µs of the guest. */
async function withoutWatcher(address: string, seconds: number) {
  const before = await reading(address);
  await sleep(seconds * 1000);
  const after = await reading(address);
  return { micros: after.cpu - before.cpu, over: after.at - before.at };
}

async function reading(address: string): Promise<{ readonly cpu: number; readonly at: number }> {
  for await (const message of readWatch(address)) {
    if (message.type === "update")
      return { cpu: message.update.guest?.agent_cpu_micros ?? 0, at: message.update.micros };
  }
  throw new Error("the agent sent no update");
}

/** Watches for some time; returns the agent's processor time meanwhile, after the first update. */
async function withWatcher(address: string, seconds: number, intervalMs: number) {
  let first: { readonly cpu: number; readonly at: number } | undefined;
  let last = { cpu: 0, at: 0 };
  let updates = 0;
  for await (const message of readWatch(address, { intervalMs })) {
    if (message.type !== "update") throw new Error(`the connection is lost: ${message.reason}`);
    const { guest, micros: at } = message.update;
    last = { cpu: guest?.agent_cpu_micros ?? last.cpu, at };
    first ??= last;
    if (last !== first) updates++;
    if (last.at - first.at >= seconds * 1_000_000) break;
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
