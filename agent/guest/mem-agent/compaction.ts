import { type FreeMemory, freeMemory, shouldCompact } from "./choose-compaction.ts";
import { type GuestMemory, needs, stalled } from "./guest-memory.ts";
import { PressureMeter } from "./pressure.ts";
import type { CompactSettings } from "./settings.ts";

const PAGETYPEINFO = "/proc/pagetypeinfo";
const COMPACT = "/proc/sys/vm/compact_memory";
/** Interval between two looks at the pressure during compaction, ms. */
const LOOK_MS = 1000;

/** Makes the kernel move pages together, so that large blocks become free. */
export class Compaction {
  readonly #guest: GuestMemory;
  readonly #meter = new PressureMeter();
  #last: FreeMemory = { pages: 0, smallPages: 0 };
  /** Periods since the last compaction. */
  #without = 0;

  constructor(guest: GuestMemory) {
    this.#guest = guest;
  }

  /** Throws if this kernel lacks a feature. */
  async prepare(): Promise<void> {
    await needs(this.#guest, PAGETYPEINFO, "list of free blocks by type");
    await needs(this.#guest, "/proc/pressure/memory", "pressure stall information");
  }

  async round(settings: CompactSettings, signal: AbortSignal): Promise<void> {
    const percent = this.#meter.percent(await stalled(this.#guest), this.#guest.now());
    const isCalm = percent <= settings.periodPsiPercentLimit;
    if (!isCalm || !shouldCompact(await this.#free(settings), this.#last, this.#without, settings)) {
      this.#without += 1;
      return;
    }
    await this.#compact(settings, signal);
    this.#last = await this.#free(settings);
    this.#without = 0;
  }

  async #compact(settings: CompactSettings, signal: AbortSignal): Promise<void> {
    const { compactSecMax, compactPsiPercentLimit } = settings;
    const meter = new PressureMeter();
    const enough = new AbortController();
    const look = async () => {
      const percent = meter.percent(await stalled(this.#guest), this.#guest.now());
      if (percent > compactPsiPercentLimit) enough.abort(`pressure of ${percent} %`);
    };
    const began = this.#guest.now();
    await look();
    const looking = setInterval(() => void look().catch(() => undefined), LOOK_MS).unref();
    const limit = setTimeout(() => enough.abort(`${compactSecMax} s are over`), compactSecMax * 1000).unref();
    let ended: unknown = "done";
    try {
      await this.#guest.write(COMPACT, "1", AbortSignal.any([signal, enough.signal]));
    } catch (error) {
      signal.throwIfAborted();
      ended = enough.signal.aborted ? enough.signal.reason : String(error);
    } finally {
      clearInterval(looking);
      clearTimeout(limit);
    }
    this.#guest.log({ ms: Math.round(this.#guest.now() - began), ended }, "memory was compacted");
  }

  async #free({ compactOrder }: CompactSettings): Promise<FreeMemory> {
    const { readText } = this.#guest;
    return freeMemory(await readText("/proc/meminfo"), await readText(PAGETYPEINFO), compactOrder);
  }
}
