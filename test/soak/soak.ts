import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { textTable } from "../../host/cli/output/text-table.ts";
import { buildShippedAgent } from "../bench/shipped-agent.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import type { Machine } from "../scenarios/machine.ts";
import { Pod } from "../scenarios/pod.ts";
import { startGuestMachine } from "../vm/testing/guest-machine.ts";
import { figuresOf, HEADER, whatGrew } from "./figures.ts";
import { load } from "./load.ts";

const root = join(import.meta.dirname, "../..");
const HELP = `Run many execs and containers on one agent, and print what init and the agent hold at the start, in between and at the end.
    --guest           use a real guest (default: init in namespaces of this machine, which needs root)
    --execs N         number of execs (default: 10000)
    --containers N    number of containers (default: 1000)
    --at-once N       number of concurrent ones (default: 4)
Exits with 1 if a value grew.`;

const STAGES = 4;

/** Prints a table with a line at the start, after each quarter and at the end. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      guest: { type: "boolean" },
      execs: { type: "string", default: "10000" },
      containers: { type: "string", default: "1000" },
      "at-once": { type: "string", default: "4" },
      help: { type: "boolean" },
    },
  });
  if (values.help) return void process.stdout.write(`${HELP}\n`);
  await using machine = values.guest ? await startGuestMachine() : await shippedAgent();
  await using client = await machine.connect();
  const pod = await Pod.open(machine, client);
  const rootfs = machine.rootfs("soak");
  const atOnce = Number(values["at-once"]);
  const began = performance.now();
  await load(pod, rootfs, { execs: 100, containers: 20, atOnce });
  const figures = [await figuresOf(machine)];
  for (let stage = 1; stage <= STAGES; stage++) {
    const part = (total: string) => Math.ceil(Number(total) / STAGES);
    await load(pod, rootfs, { execs: part(values.execs), containers: part(values.containers), atOnce });
    figures.push(await figuresOf(machine));
    process.stderr.write(`${stage} of ${STAGES} after ${((performance.now() - began) / 1000).toFixed(0)} s\n`);
  }
  const names = ["warm", "1/4", "1/2", "3/4", "end"];
  const rows = [HEADER, ...figures.map((each, at) => [names[at] ?? "", ...each.map(String)])];
  process.stdout.write(
    `${values.execs} execs and ${values.containers} containers, ${atOnce} at once\n${textTable(rows)}`,
  );
  for (const line of whatGrew(figures)) {
    process.stdout.write(`grew: ${line}\n`);
    process.exitCode = 1;
  }
}

async function shippedAgent(): Promise<Machine> {
  const directory = mkdtempSync(join(root, "build/soak-"));
  const machine = await startHostAgent({ agentCommand: await buildShippedAgent(root, directory) });
  return {
    ...machine,
    async [Symbol.asyncDispose]() {
      await machine[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

await main();
