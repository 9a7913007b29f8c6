import { onlineCpus } from "../../guest/online-cpus.ts";
import { onlineMemory } from "../../guest/online-memory.ts";
import type { Rpc } from "../rpc.ts";

/** Cgroup v2 gives containers new processors by itself: those without a list all, those with one what is in it. Memory limits follow. */
export const onlineCPUMem: Rpc<"OnlineCPUMem"> = {
  afterDeath: "continue",
  async handle(agent, request, { signal }) {
    const { nb_cpus: count, wait, cpu_only } = request;
    const warn = (line: string) => agent.warn(`online cpu mem: ${line}`);
    await onlineCpus({ count, wait, signal, warn });
    if (cpu_only) return {};
    try {
      await onlineMemory();
    } finally {
      agent.sandbox.followMemory();
    }
    return {};
  },
};
