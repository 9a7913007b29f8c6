import { isIP } from "node:net";

/** Addresses that are tried of one name. */
const MAX_ADDRESSES = 8;

/** Returns the addresses of a host name in the text of /etc/hosts, in the file's order. */
export function addressesInHosts(hosts: string, name: string): readonly string[] {
  const wanted = name.toLowerCase();
  const found = hosts.split("\n").flatMap((line) => {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    return isIP(address) !== 0 && names.some((each) => each.toLowerCase() === wanted) ? [address] : [];
  });
  return [...new Set(found)].slice(0, MAX_ADDRESSES);
}
