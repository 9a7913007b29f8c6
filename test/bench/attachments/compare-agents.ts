import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { startHostAgent } from "../../namespaces/testing/host-agent.ts";
import { ociSpec } from "../../scenarios/oci.ts";
import { CallCpu } from "../process-usage.ts";
import { Samples } from "../samples.ts";
import { buildShippedAgent, shippedCommand } from "../shipped-agent.ts";
import { readSpeed } from "../stdout-speed.ts";
import { AttachmentRounds } from "./attachment-rounds.ts";

const CONTAINER = "dd";
/** Mebibytes of output in one transfer. */
const OUTPUT_MIB = 32;

/** Speeds of one of the agents that are compared. */
async function startAgent(folder: string) {
  const machine = await startHostAgent({ agentCommand: shippedCommand(resolve(folder)) });
  const client = await machine.connect();
  const OCI = ociSpec(machine.rootfs("rootfs"), ["sleep", "100000"]);
  await client.agent.createSandbox({ sandbox_id: "bench", hostname: "bench" });
  await client.agent.createContainer({ container_id: CONTAINER, exec_id: CONTAINER, OCI });
  await client.agent.startContainer({ container_id: CONTAINER });
  const pid = await machine.agentPid();
  const attachments = new AttachmentRounds(`${machine.address}_1028`, CONTAINER, pid);
  const [calls, ratios, callCpu] = [new Samples(), new Samples(), new CallCpu(pid)];
  let hostMicros = 0;
  return {
    /** Takes output by ReadStdout, then through an attachment. */
    async round(round: number): Promise<void> {
      const once = new Samples();
      const request = { container_id: CONTAINER, exec_id: `calls-${round}`, len: 32_768, mib: OUTPUT_MIB };
      await readSpeed(client, request, once, callCpu);
      calls.add(once.median);
      const before = process.cpuUsage();
      ratios.add((await attachments.outputSpeed(OUTPUT_MIB)) / once.median);
      const { user, system } = process.cpuUsage(before);
      hostMicros += user + system;
    },
    line(): string {
      const { output, cpu } = attachments;
      const parts = [calls.median, output.median, output.median / calls.median, ratios.median, cpu.mib.micros / 1000];
      const host = hostMicros / 1000 / OUTPUT_MIB / ratios.count;
      return [...parts, host].map((value) => value.toFixed(2).padStart(10)).join("");
    },
    async [Symbol.asyncDispose]() {
      await client.close();
      await machine[Symbol.asyncDispose]();
    },
  };
}

/**
 * Compares the output of agents through an attachment with that by ReadStdout, in turns. Each argument is a folder to which
 * `--build FOLDER` has written the agent of a work tree.
 */
async function main(): Promise<void> {
  const options = { build: { type: "string" }, rounds: { type: "string", default: "20" } } as const;
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  if (values.build !== undefined) {
    await buildShippedAgent(resolve(import.meta.dirname, "../../.."), resolve(values.build));
    return;
  }
  await using stack = new AsyncDisposableStack();
  const agents: Awaited<ReturnType<typeof startAgent>>[] = [];
  for (const folder of positionals) agents.push(stack.use(await startAgent(folder)));
  for (let round = 0; round < Number(values.rounds); round++) for (const agent of agents) await agent.round(round);
  console.log("   calls attachment     ratio   ratio of  agent CPU   host CPU");
  console.log("    MB/s       MB/s of medians  a round*    ms/MiB     ms/MiB   * median");
  for (const [at, agent] of agents.entries()) console.log(`${agent.line()}  ${positionals[at]}`);
}

await main();
