import { isIP } from "node:net";
import type { Family } from "../../lib/ip-json.ts";
import { invalidArgument, quoted } from "../kernel/invalid-argument.ts";

export interface Prefix {
  readonly address: string;
  readonly length: number;
  readonly family: Family;
}

/** Longest name of a network device in bytes: IFNAMSIZ without the NUL. */
export const MAX_NAME = 15;

/**
 * Throws unless the kernel accepts the name and `ip -batch` doesn't read part of it as a quote, an escape or a comment.
 */
export function checkName(what: string, name: string): string {
  const short = Buffer.byteLength(name) <= MAX_NAME && name !== "" && name !== "." && name !== "..";
  if (!short || /[\s\p{Cc}/:%"'#\\]/u.test(name)) {
    throw invalidArgument(`${what} ${quoted(name)}: not a valid name for a network device`);
  }
  return name;
}

/** Returns the address in lower case. It has 6 bytes, or 20 on InfiniBand. */
export function checkHardwareAddress(what: string, text: string): string {
  if (!/^([0-9a-f]{2}:){5}(([0-9a-f]{2}:){14})?[0-9a-f]{2}$/i.test(text)) {
    throw invalidArgument(`${what} ${quoted(text)}: not a hardware address; write it as 02:00:00:00:00:01`);
  }
  return text.toLowerCase();
}

export function checkAddress(what: string, text: string): Family {
  const version = text.includes("%") ? 0 : isIP(text);
  if (version === 0) throw invalidArgument(`${what} ${quoted(text)}: not an IP address`);
  return version === 4 ? "v4" : "v6";
}

/** Parses "10.0.0.0/8". A bare address is a prefix of full length. */
export function checkPrefix(what: string, text: string): Prefix {
  const [address = "", bits, ...more] = text.split("/");
  const family = checkAddress(what, address);
  if (more.length > 0) throw invalidArgument(`${what} ${quoted(text)}: not an IP prefix`);
  return { address, length: bits === undefined ? mostBits(family) : checkLength(what, bits, family), family };
}

export function checkLength(what: string, bits: string, family: Family): number {
  const length = /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  const most = mostBits(family);
  if (!(length <= most))
    throw invalidArgument(`${what}: prefix length ${quoted(bits)} is out of range, use 0 to ${most} for IP${family}`);
  return length;
}

function mostBits(family: Family): number {
  return family === "v4" ? 32 : 128;
}
