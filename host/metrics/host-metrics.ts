import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Target } from "../engine/guest/guest-target.ts";
import type { BootEntry } from "../engine/record/boot-log.ts";
import type { GuestRecord } from "../engine/record/state-records.ts";
import type { StateStore } from "../engine/record/state-store.ts";
import { GUEST_FAMILIES, type GuestSample, scrapeGuest } from "./scrape-guest.ts";

/** Milliseconds in which guests have to answer; those that don't are down in this scrape. */
const ANSWER_MS = 2000;
/** Guests that are asked at the same time. */
const AT_ONCE = 16;
/** Guests that are asked in one scrape, the first by name. */
const MAX_GUESTS = 256;
const BOOT_SECONDS = [0.25, 0.5, 1, 2, 4, 8, 16, 32];

/** A guest to scrape: `name` is its label. */
export interface ScrapedGuest {
  readonly name: string;
  readonly target: Target;
}

/** A guest's samples, or undefined if it did not answer. */
interface Scraped {
  readonly name: string;
  readonly samples: readonly GuestSample[] | undefined;
}

/**
 * Returns the metrics of this user's guests, and of `more` agents, as Prometheus text. Takes 2 seconds at most: guests that
 * don't answer by then have `guestd_guest_up` 0. Throws FolderError.
 */
export async function hostMetrics(store: StateStore, more: readonly ScrapedGuest[] = []): Promise<string> {
  const begun = performance.now();
  const running = store.guests();
  const known = running.map((guest) => ({ name: guest.name, target: { address: guest.address, guest } }));
  const guests = [...known, ...more];
  const scraped = await scrapeAll(guests.slice(0, MAX_GUESTS));
  const registry = new Registry();
  addBoots(registry, store.boots.list());
  addStates(registry, store, running);
  addRecords(registry, running.slice(0, MAX_GUESTS));
  addGuests(registry, scraped);
  const help = "Guests that were not asked, as there are more than 256.";
  gauge(registry, "guestd_guests_not_scraped", help).set(guests.length - scraped.length);
  const took = "Time that this scrape took.";
  gauge(registry, "guestd_scrape_duration_seconds", took).set((performance.now() - begun) / 1000);
  return registry.metrics();
}

async function scrapeAll(guests: readonly ScrapedGuest[]): Promise<readonly Scraped[]> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error("no answer in time")), ANSWER_MS);
  const waiting = guests.entries();
  const scraped: Scraped[] = [];
  const work = async () => {
    for (const [at, { name, target }] of waiting) {
      const samples = await scrapeGuest(target, late.signal).catch(() => undefined);
      scraped[at] = { name, samples };
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  clearTimeout(timer);
  return scraped;
}

function addBoots(registry: Registry, boots: readonly BootEntry[]): void {
  const durations = new Histogram({
    name: "guestd_boot_duration_seconds",
    help: "From QEMU's start to the agent's first answer, of guests of this user.",
    labelNames: ["accelerator"],
    buckets: BOOT_SECONDS,
    registers: [registry],
  });
  const help = "Boots of guests of this user that failed.";
  const failures = new Counter({ name: "guestd_boot_failures_total", help, registers: [registry] });
  for (const boot of boots) {
    if ("failed" in boot) failures.inc();
    else durations.observe({ accelerator: boot.accelerator }, boot.ms / 1000);
  }
}

/** Adds the numbers of guests and containers in each state. */
function addStates(registry: Registry, store: StateStore, running: readonly GuestRecord[]): void {
  const guests = gauge(registry, "guestd_guests", "Guests of this user, by state.", "state");
  const containers = gauge(registry, "guestd_containers", "Containers of this user, by state.", "state");
  for (const state of ["running", "ending", "died", "kept"]) guests.set({ state }, 0);
  for (const state of ["starting", "running", "paused", "ended"]) containers.set({ state }, 0);
  const ended = store.endedGuests();
  for (const { ending } of running) guests.inc({ state: ending ? "ending" : "running" });
  for (const { ended: end } of ended) guests.inc({ state: end?.why === undefined ? "kept" : "died" });
  for (const { name } of [...running, ...ended]) {
    for (const { container, exec, ended: end, starting, paused } of store.processes.list(name)) {
      if (exec !== container) continue;
      const state = end !== undefined ? "ended" : starting ? "starting" : paused ? "paused" : "running";
      containers.inc({ state });
    }
  }
}

function addRecords(registry: Registry, guests: readonly GuestRecord[]): void {
  const info = gauge(registry, "guestd_guest_info", "Always 1; about a guest.", "guest", "accelerator", "network");
  const memory = gauge(registry, "guestd_guest_memory_bytes", "Memory that a guest was booted with.", "guest");
  const cpus = gauge(registry, "guestd_guest_cpus", "Processors that a guest was booted with.", "guest");
  const start = gauge(registry, "guestd_guest_start_time_seconds", "When a guest was booted, since 1970.", "guest");
  for (const { name: guest, accelerator, network = "none", memoryMib, cpus: count, bootedAt } of guests) {
    info.set({ guest, accelerator, network }, 1);
    memory.set({ guest }, memoryMib * 2 ** 20);
    cpus.set({ guest }, count);
    start.set({ guest }, Date.parse(bootedAt) / 1000);
  }
}

function addGuests(registry: Registry, scraped: readonly Scraped[]): void {
  const up = gauge(registry, "guestd_guest_up", "1 if the guest's agent answered this scrape, otherwise 0.", "guest");
  for (const { name: guest, samples } of scraped) up.set({ guest }, samples === undefined ? 0 : 1);
  for (const family of GUEST_FAMILIES) {
    const { name, type, help, labels } = family;
    const options = { name, help, labelNames: ["guest", ...Object.keys(labels)], registers: [registry] };
    const metric = type === "counter" ? new Counter(options) : new Gauge(options);
    for (const { name: guest, samples = [] } of scraped) {
      for (const sample of samples) {
        if (sample.family === family) metric.inc({ guest, ...sample.labels }, sample.value);
      }
    }
  }
}

function gauge<Label extends string>(
  registry: Registry,
  name: string,
  help: string,
  ...labelNames: Label[]
): Gauge<Label> {
  return new Gauge({ name, help, labelNames, registers: [registry] });
}
