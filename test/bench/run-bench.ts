import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { AttachmentRounds } from "./attachments/attachment-rounds.ts";
import { type IdleAttachments, idleAttachments } from "./attachments/idle-attachments.ts";
import { bigFile, smallFiles } from "./copies/copied-folders.ts";
import { CopyRounds } from "./copies/copy-rounds.ts";
import { deathToAnswer, firstAnswer } from "./first-answer.ts";
import { FirstContainer } from "./first-container.ts";
import { ForwardRounds } from "./forwards/forward-rounds.ts";
import { GuestdRounds } from "./guestd-rounds.ts";
import { showOnlyCgroup2 } from "./only-cgroup2.ts";
import { type Memory, memoryOf } from "./process-usage.ts";
import { type RuntimeName, RuntimeRounds } from "./runtime-rounds.ts";
import { Samples } from "./samples.ts";
import { readSpeed } from "./stdout-speed.ts";

const BLOCKS = 20;
const ROUNDS_PER_BLOCK = 10;
const FIRST_ANSWERS = 200;
const DEATHS = 30;
const FIRST_CONTAINERS = 20;
const IDLE_ATTACHMENTS = 1000;
/** Mebibytes of output in one transfer. */
const OUTPUT_MIB = 64;
/** Mebibytes of a large file that is copied, and number of small ones. */
const COPIED_MIB = 1024;
const COPIED_FILES = 10_000;
const COPIES = 3;
/** Milliseconds that an agent idles before its memory is read: after its start, and after the rounds. */
const SETTLE_MS = 6000;
const SETTLE_AFTER_MS = 15_000;

export interface Results {
  readonly guestd: GuestdRounds;
  /** The installed runtimes. */
  readonly runtimes: readonly RuntimeRounds[];
  /** MB/s, like the next field. */
  readonly stdout32k: Samples;
  readonly stdout8k: Samples;
  readonly attachments: AttachmentRounds;
  readonly idleAttachments: IdleAttachments;
  readonly forwards: ForwardRounds;
  /** Copies of one large file, and of many small ones. */
  readonly copies: Readonly<Record<"big" | "small", CopyRounds>>;
  readonly firstAnswer: Samples;
  readonly deathToAnswer: Samples;
  readonly idle: Memory;
  readonly after: Memory;
  /** After the rounds and SETTLE_AFTER_MS without calls. */
  readonly settled: Memory;
  /** The same of the agent with attachments and forwards, before the copies. */
  readonly streamsSettled: Memory;
  readonly firstContainer: FirstContainer;
}

/**
 * Measures the agent that `command` starts, alternating with other runtimes so that a noisy machine affects all of
 * them.
 */
export async function runBench(
  command: readonly string[],
  signal: AbortSignal,
  progress: (doing: string) => void,
): Promise<Results> {
  const installed = (["crun", "runc"] as const).filter((name) => spawnSync(name, ["--version"]).error === undefined);
  if (installed.length > 0) showOnlyCgroup2();
  await using agent = await startHostAgent({ agentCommand: command });
  await using client = await agent.connect();
  await client.health.check({});
  await sleep(SETTLE_MS, undefined, { signal });
  const agentPid = await agent.agentPid();
  const idle = memoryOf(agentPid);

  const rootfs = agent.rootfs("rootfs");
  const spec = ociSpec(rootfs, ["sleep", "1000"]);
  const exec = ["echo", "hello"];
  await client.agent.createSandbox({ sandbox_id: "bench", hostname: "bench" });
  const guestd = new GuestdRounds(client, spec, { Args: exec, Env: ["PATH=/bin"], Cwd: "/" }, agentPid);
  // Use the same namespaces as guestd: ipc and uts are those of its sandbox.
  const shared = `/proc/${await agent.initPid()}/root/run/sandbox-ns`;
  const namespaces = [
    { type: "mount" },
    { type: "pid" },
    { type: "ipc", path: `${shared}/ipc` },
    { type: "uts", path: `${shared}/uts` },
  ];
  await using made = new AsyncDisposableStack();
  const rounds = (name: RuntimeName) =>
    made.use(new RuntimeRounds(name, join(agent.directory, name), spec, { exec, namespaces }));
  const runtimes = installed.map(rounds);
  const [stdout32k, stdout8k] = [new Samples(), new Samples()];
  await client.agent.createContainer({ container_id: "dd", exec_id: "dd", OCI: spec });
  await client.agent.startContainer({ container_id: "dd" });
  // Another agent, so that the memory of the first is that of a pod under Kata.
  await using other = await startHostAgent({ agentCommand: command });
  await using otherClient = await other.connect();
  const otherPid = await other.agentPid();
  const otherRootfs = other.rootfs("rootfs");
  await otherClient.agent.createSandbox({ sandbox_id: "bench", hostname: "bench" });
  const sleeper = ociSpec(otherRootfs, ["sleep", "1000"]);
  await otherClient.agent.createContainer({ container_id: "dd", exec_id: "dd", OCI: sleeper });
  await otherClient.agent.startContainer({ container_id: "dd" });
  const attached = { Args: exec, Env: ["PATH=/bin"], Cwd: "/" };
  const beside = new GuestdRounds(otherClient, sleeper, attached, otherPid);
  const streams = { address: `${other.address}_1028`, container: "dd", rootfs: otherRootfs };
  const attachments = new AttachmentRounds(streams.address, "dd", otherPid);
  using forwards = await ForwardRounds.start(streams, otherPid);
  for (let block = 0; block < BLOCKS; block++) {
    progress(`round ${block * ROUNDS_PER_BLOCK} of ${BLOCKS * ROUNDS_PER_BLOCK}`);
    await inTurns(signal, (round) => guestd.round(`g${block}-${round}`, "hello\n"));
    await inTurns(signal, () => guestd.checkOnce());
    await inTurns(signal, () => guestd.scrapeOnce());
    for (const runtime of runtimes) await inTurns(signal, (round) => runtime.round(`c${block}-${round}`, "hello\n"));
    const ids = Array.from({ length: ROUNDS_PER_BLOCK }, (_, index) => `p${block}-${index}`);
    await guestd.cpuRounds(ids, "hello\n");
    await inTurns(signal, async () => {
      attachments.calls.add(await beside.execIn("dd", "hello\n"));
      await attachments.execOnce(attached, "hello\n");
    });
    await attachments.cpuRounds(attached, "hello\n", ROUNDS_PER_BLOCK, () => beside.execIn("dd", "hello\n"));
    const { read32k, read8k } = guestd.cpu;
    const dd = { container_id: "dd" };
    await readSpeed(client, { ...dd, exec_id: `32k-${block}`, len: 32 * 1024, mib: OUTPUT_MIB }, stdout32k, read32k);
    await attachments.outputSpeed(OUTPUT_MIB);
    await readSpeed(client, { ...dd, exec_id: `8k-${block}`, len: 8 * 1024, mib: 16 }, stdout8k, read8k);
    await inTurns(signal, () => forwards.connectOnce());
    await forwards.transfer(OUTPUT_MIB);
  }
  const after = memoryOf(agentPid);
  progress("idle");
  await sleep(SETTLE_AFTER_MS, undefined, { signal });
  const settled = memoryOf(agentPid);
  const streamsSettled = memoryOf(otherPid);
  progress(`${IDLE_ATTACHMENTS} idle attachments`);
  const idleOnes = await idleAttachments(command, IDLE_ATTACHMENTS, signal);
  const first = new Samples();
  for (let count = 0; count < FIRST_ANSWERS; count++) {
    signal.throwIfAborted();
    if (count % 10 === 0) progress(`start ${count} of ${FIRST_ANSWERS}`);
    await firstAnswer(command, join(agent.directory, "first.sock"), first);
  }
  const deaths = new Samples();
  for (let count = 0; count < DEATHS; count++) {
    signal.throwIfAborted();
    progress(`death ${count} of ${DEATHS}`);
    await deathToAnswer(command, deaths);
  }
  const firstContainer = new FirstContainer();
  const firstRootfs = agent.rootfs("first");
  for (let count = 0; count < FIRST_CONTAINERS; count++) {
    signal.throwIfAborted();
    progress(`first container ${count} of ${FIRST_CONTAINERS}`);
    await firstContainer.round(command, join(agent.directory, "first.sock"), firstRootfs);
  }
  const copies = {
    big: new CopyRounds(streams, bigFile(join(agent.directory, "big"), COPIED_MIB)),
    small: new CopyRounds(streams, smallFiles(join(agent.directory, "small"), COPIED_FILES)),
  };
  for (let count = 0; count < COPIES; count++) {
    progress(`copies ${count} of ${COPIES}`);
    for (const rounds of [copies.big, copies.small]) {
      signal.throwIfAborted();
      await rounds.round();
    }
  }
  const reads = { stdout32k, stdout8k, attachments, idleAttachments: idleOnes, forwards, copies };
  const starts = { firstAnswer: first, firstContainer, deathToAnswer: deaths };
  return { guestd, runtimes, ...reads, ...starts, idle, after, settled, streamsSettled };
}

async function inTurns(signal: AbortSignal, work: (round: number) => Promise<void>): Promise<void> {
  for (let round = 0; round < ROUNDS_PER_BLOCK; round++) {
    signal.throwIfAborted();
    await work(round);
  }
}
