import { AgentError } from "../../kernel/error.ts";
import { ColdMemory } from "./cold-memory.ts";
import { Compaction } from "./compaction.ts";
import type { GuestMemory } from "./guest-memory.ts";
import { Periodic } from "./periodic.ts";
import { type CompactSettings, changed, compactBounds, type MemcgSettings, memcgBounds } from "./settings.ts";

export interface MemAgentSettings {
  readonly memcg: MemcgSettings;
  readonly compact: CompactSettings;
}

export interface MemAgentOptions extends MemAgentSettings {
  readonly enabled: boolean;
}

/** A change requested by a call. Absent fields keep their value. */
type Change<Settings> = { readonly [Key in keyof Settings]?: Settings[Key] | null | undefined };

interface Part<Settings> {
  /** Throws if this kernel lacks a feature. */
  prepare(): Promise<void>;
  round(settings: Settings, signal: AbortSignal): Promise<void>;
}

/**
 * Reclaims cold memory and compacts free memory, each periodically. A part that is off runs no timer and reads nothing.
 */
export class MemAgent {
  readonly #enabled: boolean;
  readonly #memcg: RunningPart<MemcgSettings>;
  readonly #compact: RunningPart<CompactSettings>;
  readonly #save: (settings: MemAgentSettings) => void;

  /** Calls `save` with the settings after each change by a call. */
  constructor(
    guest: GuestMemory,
    { enabled, memcg, compact }: MemAgentOptions,
    save: (settings: MemAgentSettings) => void = () => undefined,
  ) {
    this.#enabled = enabled;
    this.#memcg = new RunningPart(guest, new ColdMemory(guest), memcg);
    this.#compact = new RunningPart(guest, new Compaction(guest), compact);
    this.#save = save;
  }

  /** Returns one line for each part that can't run here. */
  async start(): Promise<string[]> {
    if (!this.#enabled) return [];
    const results = await Promise.allSettled([
      this.#memcg.set(this.#memcg.settings),
      this.#compact.set(this.#compact.settings),
    ]);
    return results.flatMap((result) => (result.status === "rejected" ? [String(result.reason.message)] : []));
  }

  setMemcg(change: Change<MemcgSettings>): Promise<void> {
    return this.#set(this.#memcg, (now) => changed("mem-agent memcg", now, change, memcgBounds));
  }

  setCompact(change: Change<CompactSettings>): Promise<void> {
    return this.#set(this.#compact, (now) => changed("mem-agent compact", now, change, compactBounds));
  }

  close(): void {
    this.#memcg.close();
    this.#compact.close();
  }

  async #set<Settings extends Timed>(part: RunningPart<Settings>, next: (now: Settings) => Settings): Promise<void> {
    if (!this.#enabled) throw new AgentError("internal", "mem-agent is disabled");
    await part.set(next(part.settings));
    this.#save({ memcg: this.#memcg.settings, compact: this.#compact.settings });
  }
}

interface Timed {
  readonly disabled: boolean;
  readonly periodSecs: number;
}

class RunningPart<Settings extends Timed> {
  readonly #part: Part<Settings>;
  readonly #periodic: Periodic;
  #settings: Settings;
  #period: number | undefined;

  constructor(guest: GuestMemory, part: Part<Settings>, settings: Settings) {
    this.#part = part;
    this.#settings = settings;
    this.#periodic = new Periodic(async (signal) => {
      try {
        await part.round(this.#settings, signal);
      } catch (error) {
        if (!signal.aborted) guest.log({ error: String(error) }, "memory agent: this period was skipped");
      }
    });
  }

  get settings(): Settings {
    return this.#settings;
  }

  /** Restarts the period only if its length changes or the part was off. */
  async set(settings: Settings): Promise<void> {
    if (!settings.disabled && this.#period === undefined) await this.#part.prepare();
    this.#settings = settings;
    const period = settings.disabled ? undefined : settings.periodSecs * 1000;
    if (period !== this.#period) this.#periodic.set(period);
    this.#period = period;
  }

  close(): void {
    this.#periodic.set(undefined);
  }
}
