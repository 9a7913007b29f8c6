import { prometheusSamples } from "../../lib/prometheus-samples.ts";
import { CODES } from "../../proto/codes.ts";
import { agentService, guest, health } from "../../proto/gen/services.js";
import { connectTo, type Target } from "../engine/guest/guest-target.ts";
import { type GuestFamily, guestFamilies } from "./guest-families.ts";

const METHODS = new Set([agentService, guest, health].flatMap((service) => Object.keys(service)));
/** Characters; an agent's text has some 40,000. */
const MAX_TEXT = 1 << 20;
/** Families that a guest's samples are passed on as. */
export const GUEST_FAMILIES: readonly GuestFamily[] = guestFamilies(METHODS, new Set(Object.keys(CODES)));

/** A sample of a guest that is passed on. */
export interface GuestSample {
  readonly family: GuestFamily;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Asks a guest's agent for its metrics. Rejects if it doesn't answer before the signal aborts. */
export async function scrapeGuest(target: Target, signal: AbortSignal): Promise<readonly GuestSample[]> {
  await using client = await connectTo(target, { signal });
  const { metrics } = await client.agent.getMetrics({}, { signal });
  if (metrics.length > MAX_TEXT) throw new Error(`metrics of ${metrics.length} characters are over the limit of 1 MiB`);
  return guestSamples(metrics);
}

/** Returns the samples that are passed on, each series once. Throws if the text is not in Prometheus' format. */
export function guestSamples(text: string): readonly GuestSample[] {
  const found = new Map<string, GuestSample>();
  for (const sample of prometheusSamples(text)) {
    const family = GUEST_FAMILIES.find(({ source }) => source === sample.name);
    if (family === undefined || !(Number.isFinite(sample.value) && sample.value >= 0)) continue;
    const isMeant = Object.entries(family.only ?? {}).every(([label, value]) => sample.labels[label] === value);
    const labels = Object.keys(family.labels).map((label) => [label, sample.labels[label] ?? ""] as const);
    if (!isMeant || !labels.every(([label, value]) => family.labels[label]?.has(value))) continue;
    const key = [family.name, ...labels.map(([, value]) => value)].join(" ");
    found.set(key, { family, labels: Object.fromEntries(labels), value: sample.value });
  }
  return [...found.values()];
}
