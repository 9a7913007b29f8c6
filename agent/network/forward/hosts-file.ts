import { isIP } from "node:net";

/** Addresses that are tried of one name. */
const MAX_ADDRESSES = 8;
/** Most lines that are looked at because they contain the name, and the longest such line. */
const MAX_LINES = 1024;
const MAX_LENGTH = 4096;

/**
 * Returns the addresses of a host name in the text of /etc/hosts, in the file's order. Searches the text without splitting
 * it: a container's file may have a million lines.
 */
export function addressesInHosts(hosts: string, name: string): readonly string[] {
  const wanted = name.toLowerCase();
  const text = hosts.toLowerCase();
  const found = new Set<string>();
  let at = text.indexOf(wanted);
  for (let lines = 0; at >= 0 && lines < MAX_LINES && found.size < MAX_ADDRESSES; lines++) {
    const start = text.lastIndexOf("\n", at) + 1;
    const next = text.indexOf("\n", at);
    const end = next < 0 ? text.length : next;
    if (end - start <= MAX_LENGTH) {
      const [address = "", ...names] = text.slice(start, end).replace(/#.*/, "").trim().split(/\s+/);
      if (isIP(address) !== 0 && names.includes(wanted)) found.add(address);
    }
    at = text.indexOf(wanted, end);
  }
  return [...found];
}
