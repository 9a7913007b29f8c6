import { isIP } from "node:net";
import { AgentError } from "../kernel/error.ts";

export type Family = "v4" | "v6";

export interface Prefix {
  readonly address: string;
  readonly length: number;
  readonly family: Family;
}

/** IFNAMSIZ without the NUL. */
export const MAX_NAME = 15;
const MAX_SHOWN = 80;

export function refuse(why: string): AgentError {
  return new AgentError("invalid-argument", why);
}

/** As the kernel has it; and nothing that `ip -batch` takes for a quote, an escape or a comment. */
export function checkName(what: string, name: string): string {
  const short = Buffer.byteLength(name) <= MAX_NAME && name !== "" && name !== "." && name !== "..";
  if (!short || /[\s\p{Cc}/:%"'#\\]/u.test(name)) {
    throw refuse(`${what} ${shown(name)}: no name of a network device`);
  }
  return name;
}

/** In lower case. 6 bytes, or 20 of InfiniBand. */
export function checkHardwareAddress(what: string, text: string): string {
  if (!/^([0-9a-f]{2}:){5}(([0-9a-f]{2}:){14})?[0-9a-f]{2}$/i.test(text)) {
    throw refuse(`${what} ${shown(text)}: no hardware address, as in 02:00:00:00:00:01`);
  }
  return text.toLowerCase();
}

export function checkAddress(what: string, text: string): Family {
  const version = text.includes("%") ? 0 : isIP(text);
  if (version === 0) throw refuse(`${what} ${shown(text)}: no IP address`);
  return version === 4 ? "v4" : "v6";
}

/** "10.0.0.0/8"; a bare address is all of its bits. */
export function checkPrefix(what: string, text: string): Prefix {
  const [address = "", bits, ...more] = text.split("/");
  const family = checkAddress(what, address);
  if (more.length > 0) throw refuse(`${what} ${shown(text)}: no IP prefix`);
  return { address, length: bits === undefined ? mostBits(family) : checkLength(what, bits, family), family };
}

export function checkLength(what: string, bits: string, family: Family): number {
  const length = /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  const most = mostBits(family);
  if (!(length <= most)) throw refuse(`${what}: a prefix of ${shown(bits)} bits, of IP${family} 0 to ${most} can be`);
  return length;
}

function mostBits(family: Family): number {
  return family === "v4" ? 32 : 128;
}

function shown(text: string): string {
  return JSON.stringify(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text);
}
