import { chooseEviction, shouldAge } from "./choose-eviction.ts";
import { type GuestMemory, needs, stalled, unavailable } from "./guest-memory.ts";
import { agingCommand, evictionCommand, type MemcgNode, parseLruGen } from "./lru-gen.ts";
import { PressureMeter } from "./pressure.ts";
import type { MemcgSettings } from "./settings.ts";

const ENABLED = "/sys/kernel/mm/lru_gen/enabled";
/** Pages reclaimed at a time (4 MiB) between two looks at the pressure. */
const BATCH = 1024;
const KIB_PER_PAGE = 4;

/** Reclaims memory that no process has used for long, as shown by MGLRU generations. */
export class ColdMemory {
  readonly #guest: GuestMemory;
  readonly #meters = new Map<string, PressureMeter>();
  /** How often each cgroup's memory was aged, by cgroup and NUMA node. */
  readonly #aged = new Map<string, number>();
  #lruGen = "";

  constructor(guest: GuestMemory) {
    this.#guest = guest;
  }

  /** Enables MGLRU. Throws if this kernel lacks a feature. */
  async prepare(): Promise<void> {
    const enabled = await needs(this.#guest, ENABLED, "MGLRU");
    await needs(this.#guest, "/proc/pressure/memory", "pressure stall information");
    try {
      this.#lruGen ||= `${this.#guest.openDebugfs()}/lru_gen`;
      if (enabled.trim() !== "0x0007") await this.#guest.write(ENABLED, "y");
      await this.#guest.readText(this.#lruGen);
    } catch (error) {
      throw unavailable(error instanceof Error ? error.message : String(error), error);
    }
  }

  /** Ages the memory of every cgroup without pressure and reclaims what is cold. */
  async round(settings: MemcgSettings, signal: AbortSignal): Promise<void> {
    const nodes = await this.#nodes();
    this.#forgetOthers(nodes);
    const calm = new Map<string, boolean>();
    for (const node of nodes) {
      signal.throwIfAborted();
      try {
        if (!calm.has(node.path)) {
          calm.set(node.path, (await this.#pressure(node.path)) <= settings.periodPsiPercentLimit);
        }
        if (calm.get(node.path) !== true || !shouldAge(node, settings)) continue;
        await this.#guest.write(this.#lruGen, agingCommand(node, settings.swap), signal);
        const aged = (this.#aged.get(keyOf(node)) ?? 0) + 1;
        this.#aged.set(keyOf(node), aged);
        if (aged >= settings.evictionRunAgingCountMin) await this.#evict(node, settings, signal);
      } catch (error) {
        signal.throwIfAborted();
        calm.set(node.path, false); // usually the cgroup was removed meanwhile
        this.#guest.log({ cgroup: node.path, error: String(error) }, "cold memory was not reclaimed");
      }
    }
  }

  async #evict(node: MemcgNode, settings: MemcgSettings, signal: AbortSignal): Promise<void> {
    const meter = new PressureMeter();
    const key = keyOf(node);
    let last = Number.POSITIVE_INFINITY;
    let taken = 0;
    for (;;) {
      const now = (await this.#nodes()).find((one) => keyOf(one) === key);
      const choice = now && chooseEviction(now, settings, await this.#freeSwapPages(settings));
      const [oldest] = now?.generations ?? [];
      const left = oldest === undefined ? 0 : oldest.file + (settings.swap ? oldest.anon : 0);
      if (last !== Number.POSITIVE_INFINITY) taken += Math.max(0, last - (choice === undefined ? 0 : left));
      if (now === undefined || choice === undefined || left >= last) break;
      const percent = meter.percent(await stalled(this.#guest, node.path), this.#guest.now());
      if (percent > settings.evictionPsiPercentLimit) break;
      await this.#guest.write(this.#lruGen, evictionCommand(now, choice, BATCH), signal);
      last = left;
    }
    if (taken > 0) this.#guest.log({ cgroup: node.path, pages: taken }, "cold memory was reclaimed");
  }

  async #nodes(): Promise<MemcgNode[]> {
    return parseLruGen(await this.#guest.readText(this.#lruGen));
  }

  async #pressure(path: string): Promise<number> {
    let meter = this.#meters.get(path);
    if (meter === undefined) {
      meter = new PressureMeter();
      this.#meters.set(path, meter);
    }
    return meter.percent(await stalled(this.#guest, path), this.#guest.now());
  }

  async #freeSwapPages({ swap }: MemcgSettings): Promise<number> {
    if (!swap) return 0;
    const kib = /^SwapFree: +(\d+) kB$/m.exec(await this.#guest.readText("/proc/meminfo"))?.[1];
    return Number(kib ?? 0) / KIB_PER_PAGE;
  }

  /** Forgets removed cgroups: a new cgroup may get the same number. */
  #forgetOthers(nodes: readonly MemcgNode[]): void {
    const paths = new Set(nodes.map(({ path }) => path));
    const keys = new Set(nodes.map(keyOf));
    for (const path of this.#meters.keys()) if (!paths.has(path)) this.#meters.delete(path);
    for (const key of this.#aged.keys()) if (!keys.has(key)) this.#aged.delete(key);
  }
}

function keyOf({ memcg, node, path }: MemcgNode): string {
  return `${memcg} ${node} ${path}`;
}
