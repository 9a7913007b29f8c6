import { refuse } from "../refuse.ts";
import type { LinuxSpec } from "../spec.ts";

const DOMAINS = new Map([
  ["LINUX", 0],
  ["LINUX32", 8],
]);

/** The number for personality(2); undefined when none is asked for. Throws what names the field that can't be. */
export function personaOf(personality: LinuxSpec["personality"]): number | undefined {
  if (personality === undefined) return undefined;
  const { domain, flags } = personality;
  const persona = DOMAINS.get(domain);
  if (persona === undefined) throw refuse("linux.personality.domain", `"${domain}" is not LINUX or LINUX32`);
  if (flags.length > 0) throw refuse("linux.personality.flags", "has flags; the OCI spec knows none yet");
  return persona;
}
