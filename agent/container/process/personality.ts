import { refuse } from "../refuse.ts";
import type { LinuxSpec } from "../spec.ts";

const DOMAINS = new Map([
  ["LINUX", 0],
  ["LINUX32", 8],
]);

/** Returns the argument of personality(2); undefined if none is requested. Throws naming an unsupported field. */
export function personaOf(personality: LinuxSpec["personality"]): number | undefined {
  if (personality === undefined) return undefined;
  const { domain, flags } = personality;
  const persona = DOMAINS.get(domain);
  if (persona === undefined) throw refuse("linux.personality.domain", `"${domain}" is not LINUX or LINUX32`);
  if (flags.length > 0) throw refuse("linux.personality.flags", "has flags, but the OCI spec defines none yet");
  return persona;
}
