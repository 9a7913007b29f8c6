import { createHmac } from "node:crypto";

/**
 * Returns the loopback address of this user's pages. Browsers send cookies to all ports of a host, and a guest's user network
 * leads to 127.0.0.1: at an address of its own the page meets neither other ports nor guests.
 */
export function ownAddress(key: Buffer): string {
  const [a = 0, b = 0, c = 0] = createHmac("sha256", key).update("address").digest();
  return `127.${1 + (a % 254)}.${b}.${1 + (c % 254)}`;
}
