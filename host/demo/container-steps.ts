import { plugBlockRoot } from "../engine/guest/block-storages.ts";
import type { SandboxGuest } from "../engine/guest/sandbox-guest.ts";
import type { UsedBlockRoot } from "../engine/image/disk/block-root.ts";
import type { Layer } from "../engine/image/disk/layer-store.ts";
import { imageSpec, processSpec, type RunOptions } from "../engine/image/image-config.ts";
import { visibleLine } from "../visible.ts";
import { type Captured, capture, readUntil } from "./captured-process.ts";
import type { Say, Step } from "./show-steps.ts";

/** Results of earlier steps. */
export interface Demo {
  readonly guest: SandboxGuest;
  readonly image: UsedBlockRoot;
  /** The disk that the first container writes. */
  readonly layer: Layer;
}

const PAUSED = "sleeper";
const HELLO = `echo "Hello from $(hostname), Linux $(uname -r)"
echo "I am process $$, user $(id -un); my root is"
df -h /
echo written >/root/note && chown nobody /root/note && ls -l /root/note`;

/** Returns the steps in a running guest, which call `demo` when they run. */
export function containerSteps(demo: () => Demo): readonly Step[] {
  return [
    {
      title: "run a container: an OCI spec goes over vsock, its output comes back",
      run: (say) => runHello(demo(), say),
    },
    { title: "exec: a second process in a running container", run: (say) => execPs(demo(), say) },
    { title: "a terminal of 30×100, then resized to 50×132", run: (say) => resizeTerminal(demo(), say) },
    { title: "the exit code comes back", run: (say) => exitCode(demo(), say) },
    { title: "what the container uses, and the guest's metrics", run: (say) => showNumbers(demo(), say) },
  ];
}

async function runHello(demo: Demo, say: Say): Promise<void> {
  const created = await start(demo, "hello", { args: ["sh", "-c", HELLO] }, demo.layer);
  say(`CreateContainer ${created.createMs} ms, StartContainer ${created.startMs} ms`);
  const { output, code } = await capture(demo.guest.client, { container_id: "hello", exec_id: "hello" });
  for (const line of lines(output)) say(`│ ${line}`);
  expect(code === 0, `exit code ${code}, expected 0`);
  await demo.guest.client.agent.removeContainer({ container_id: "hello" });
}

async function execPs(demo: Demo, say: Say): Promise<void> {
  await start(demo, PAUSED, { args: ["sleep", "1000"], limits: { memory: 64 * 2 ** 20, pids: 20 } });
  const begun = performance.now();
  const { output, code } = await exec(demo, ["ps", "-o", "pid,args"]);
  say(`ps in container ${PAUSED}, ${Math.round(performance.now() - begun)} ms with its output:`);
  for (const line of lines(output)) say(`│ ${line}`);
  expect(code === 0 && output.includes("sleep 1000"), `ps does not show the container's process; exit code ${code}`);
}

async function resizeTerminal({ guest: { client }, image }: Demo, say: Say): Promise<void> {
  const id = { container_id: PAUSED, exec_id: "terminal" };
  const terminal = { rows: 30, columns: 100 };
  const process = processSpec(image.config, "/nonexistent", { entrypoint: [], args: ["sh"], env: ["PS1="], terminal });
  await client.agent.execProcess({ ...id, process });
  const type = (line: string) => client.agent.writeStdin({ ...id, data: Buffer.from(`${line}\n`) });
  await type("stty size");
  await readUntil(client, id, "30 100");
  say("stty size → 30 100");
  await client.agent.ttyWinResize({ ...id, row: 50, column: 132 });
  await type("stty size");
  await readUntil(client, id, "50 132");
  say("TtyWinResize, stty size → 50 132");
  await type("exit");
  const { code } = await capture(client, id);
  expect(code === 0, `the shell's exit code is ${code}, expected 0`);
}

async function exitCode(demo: Demo, say: Say): Promise<void> {
  const { code } = await exec(demo, ["sh", "-c", "exit 42"]);
  say(`sh -c "exit 42" → ${code}`);
  expect(code === 42, `exit code ${code}, expected 42`);
}

async function showNumbers({ guest: { client } }: Demo, say: Say): Promise<void> {
  const { cgroup_stats } = await client.agent.statsContainer({ container_id: PAUSED });
  const { memory_stats: memory, pids_stats: pids } = cgroup_stats ?? {};
  const kib = (bytes = 0) => `${Math.round(bytes / 1024)} KiB`;
  say(
    `container ${PAUSED}: memory ${kib(memory?.usage?.usage)} of ${kib(memory?.usage?.limit)}, tasks ${pids?.current}`,
  );
  const { metrics } = await client.agent.getMetrics({});
  const samples = metrics.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  say(`GetMetrics: ${samples.length} samples, among them`);
  const shown = /^(kata_guest_meminfo\{item="(mem_total|mem_available)"|guestd_heap_bytes|kata_agent_total_rss)/;
  for (const line of samples.filter((sample) => shown.test(sample))) say(`│ ${line}`);
  expect(samples.length > 0, "no metrics");
}

/** Without a layer, the container writes to the guest's memory. */
async function start({ guest, image }: Demo, id: string, options: RunOptions, layer?: Layer) {
  const { agent } = guest.client;
  await using qmp = await guest.guest.qmp();
  const { rootfs, storages } = await plugBlockRoot(qmp, "demo", id, image, { layer });
  const spec = imageSpec(image, rootfs, options);
  const begun = performance.now();
  await agent.createContainer({ container_id: id, exec_id: id, OCI: spec, storages: [...storages] });
  const created = performance.now();
  await agent.startContainer({ container_id: id });
  return { createMs: Math.round(created - begun), startMs: Math.round(performance.now() - created) };
}

let execs = 0;

async function exec({ guest: { client }, image }: Demo, args: readonly string[]): Promise<Captured> {
  execs += 1;
  const id = { container_id: PAUSED, exec_id: `exec-${execs}` };
  await client.agent.execProcess({
    ...id,
    process: processSpec(image.config, "/nonexistent", { entrypoint: [], args }),
  });
  return capture(client, id);
}

function lines(text: string): readonly string[] {
  return text.trimEnd().split(/\r?\n/).map(visibleLine);
}

function expect(condition: boolean, otherwise: string): void {
  if (!condition) throw new Error(otherwise);
}
