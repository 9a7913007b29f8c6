import { prometheusSamples } from "../../../lib/prometheus-samples.ts";
import { connectTo, type Target } from "../../engine/guest/guest-target.ts";
import { oneLine } from "../../operation-error.ts";
import { targetOf } from "../find-target.ts";
import type { GuestTree } from "../protocol/guest-tree.ts";
import type { MemoryAnswer, MemoryPart } from "../protocol/requests.ts";
import type { ServeContext } from "../serve-context.ts";
import { hostMemory } from "./host-memory.ts";

const ANSWER_MS = 10_000;
const USAGE_MS = 3000;

/** Returns the memory of a guest by kind: as its kernel counts it, and as the host's processes take it. */
export async function guestMemory(context: ServeContext, name: string, signal: AbortSignal): Promise<MemoryAnswer> {
  const target = targetOf(context, name);
  const known = knownUsage(context, name);
  const notes: string[] = [];
  const note = (error: unknown) => void notes.push(oneLine(error));
  const meminfo = await readMeminfo(target, signal).catch(note);
  const node = await known;
  const containers = node?.containers.map(({ usage }) => usage.memory ?? 0) ?? [];
  const guest = meminfo && guestParts(meminfo, sum(containers), node?.agent.memory);
  const host = await hostMemory(target).catch(note);
  return {
    guest: guest ?? [],
    ...(guest && { guestTotal: sum(guest.map(({ bytes }) => bytes)) }),
    host: host ?? [],
    ...(host && { hostTotal: sum(host.map(({ bytes }) => bytes)) }),
    notes,
  };
}

/** Returns the guest once its usage has arrived, which a new view doesn't have; after 3 s as it is. */
async function knownUsage({ feed }: Pick<ServeContext, "feed">, name: string): Promise<GuestTree | undefined> {
  const find = () => feed.guests.find((guest) => guest.name === name);
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = () => {
    if (find()?.agent.memory !== undefined) resolve();
  };
  const forget = feed.onChange(look);
  const timer = setTimeout(resolve, USAGE_MS);
  look();
  await promise;
  clearTimeout(timer);
  forget();
  return find();
}

/** Returns the items of the guest's /proc/meminfo in bytes, by their names in its metrics. */
async function readMeminfo(target: Target, signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
  await using client = await connectTo(target, { signal });
  const { metrics } = await client.agent.getMetrics({}, { timeoutMs: ANSWER_MS, signal });
  const samples = [...prometheusSamples(metrics)].filter((sample) => sample.name === "kata_guest_meminfo");
  return new Map(samples.map(({ labels, value }) => [labels["item"] ?? "", value]));
}

/** Divides the guest's memory. Parts are estimates: the agent's and the containers' pages are counted by their own counters. */
export function guestParts(
  meminfo: ReadonlyMap<string, number>,
  containers: number,
  agent: number | undefined,
): readonly MemoryPart[] {
  const item = (name: string) => meminfo.get(name) ?? 0;
  let left = item("mem_total");
  const part = (kind: string, wanted: number): MemoryPart => {
    const bytes = Math.max(0, Math.min(left, Math.round(wanted)));
    left -= bytes;
    return { kind, bytes };
  };
  const kernel = ["slab", "kernel_stack", "page_tables", "percpu"].reduce((all, name) => all + item(name), 0);
  const parts = [
    part("free", item("mem_free")),
    part("containers", containers),
    part("agent", agent ?? 0),
    part("kernel", kernel),
    // Files in /run that no container is charged for: output that is kept, state, sockets.
    part("output that is kept, and state", item("shmem")),
  ];
  return [...parts, part("page cache and the rest", left)];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0);
}
