import { readFileSync } from "node:fs";
import type { KeptCore } from "../guest/core-dumps/kept-cores.ts";
import { ownsKernel } from "../guest/guest-sysctls.ts";
import { type LifecycleEvent, publishEvent } from "../kernel/lifecycle.ts";
import { throttle } from "../kernel/throttle.ts";
import type { Agent } from "../service/rpc.ts";
import type { Cores } from "../service/streams/cores.ts";
import type { Events } from "../service/streams/events.ts";
import type { OpenedKernel } from "./open-kernel.ts";

const [MS_NOSUID, MS_NODEV, MS_NOEXEC] = [2, 4, 8];

/** Bytes of memory for core dumps: as the option says, but at most a quarter of the guest's memory. 0: none are kept. */
export function coreMemory({ options: { coreDumps }, service }: Pick<OpenedKernel, "options" | "service">): number {
  if (coreDumps === 0 || service) return 0;
  const [, kib] = /^MemTotal: +(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8")) ?? [];
  return Math.floor(Math.min(coreDumps, (Number(kib) * 1024) / 4));
}

/**
 * Sets up the keeping of core dumps after the agent's start, if the option asks for it. Returns a function that loads the part
 * of the agent which has them.
 */
export function openCores(
  agent: Agent,
  opened: OpenedKernel,
  epoch: () => Uint8Array,
  events: () => Promise<Events>,
): () => Promise<Cores> {
  const { log, options, service } = opened;
  let loading: Promise<Cores> | undefined;
  const load = () => {
    loading ??= open(agent, opened, epoch, events);
    return loading;
  };
  if (options.coreDumps > 0 && service) {
    const why = "the kernel's core_pattern belongs to the system of the service";
    log.error(`option agent.core_dumps=${options.coreDumps}: ${why}; no core dumps are kept`);
  } else if (options.coreDumps > 0) {
    const failed = (error: unknown) => log.error({ error: String(error) }, "core dumps are not kept");
    setImmediate(() => void load().catch(failed));
  }
  return load;
}

async function open(
  agent: Agent,
  opened: OpenedKernel,
  epoch: () => Uint8Array,
  loadEvents: () => Promise<Events>,
): Promise<Cores> {
  const memory = coreMemory(opened);
  const { Cores } = await import("../service/streams/cores.ts");
  if (memory === 0) return new Cores(agent.policy, undefined, epoch);
  const [{ KeptCores }, { setCorePattern }, { coreOwners }] = await Promise.all([
    import("../guest/core-dumps/kept-cores.ts"),
    import("../guest/core-dumps/core-pattern.ts"),
    import("../service/streams/core-owners.ts"),
  ]);
  const { kernel, stateDirectory, log } = opened;
  const { files, sys, init } = kernel;
  const directory = `${stateDirectory}/cores`;
  files.makeDirectory(directory, 0o700);
  if (!files.mounts().includes(` ${directory} tmpfs `)) {
    const bounds = `size=${memory},nr_inodes=128,mode=700`;
    await sys.mount("cores", directory, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, bounds);
  }
  const warnDropped = throttle((container: string, more: number) => {
    log.warn({ container, more }, "core dumps were dropped: a container has too many of them");
  });
  const kept = new KeptCores({
    ...{ directory, files, numberFile: `${stateDirectory}/core-number` },
    bytes: (memory * 3) / 4, // one more always finds room
    ownerOf: coreOwners(agent.sandbox),
    onKept: (core) => publishEvent(eventOf(core)),
    onDropped: warnDropped,
  });
  if (init.greeting.generation > 1) {
    // The last agent may have died between keeping a core dump and its event.
    const reported = await (await loadEvents()).reportedCores();
    for (const core of kept.list()) if (!reported.has(core.id)) publishEvent(eventOf(core));
  }
  kept.follow((error) => log.error({ error: String(error) }, "a core dump was not kept"));
  if (ownsKernel()) setCorePattern(files, { directory: `${directory}/new`, limit: Math.floor(memory / 4) });
  return new Cores(agent.policy, kept, epoch);
}

function eventOf({ container, exec, signal, id, size, cut }: KeptCore): LifecycleEvent {
  return { type: "core-dumped", container, exec, signal, core: { id, size, cut } };
}
