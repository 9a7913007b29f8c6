import { BlockList, isIPv4 } from "node:net";

/**
 * Private addresses for links to guests, in the order in which they are tried. Uncommon parts of the private ranges, so that a
 * network which the host joins later hardly collides.
 */
const RANGES = [
  { base: "10.213.0.0", size: 1 << 14 },
  { base: "172.31.213.0", size: 1 << 8 },
  { base: "192.168.213.0", size: 1 << 8 },
] as const;

/** Addresses of a /30. */
const SIZE = 4;

/** Addresses of a link: one of the host and one of the guest, in a network of their own. */
export interface AddressPair {
  /** Such as 10.213.0.0/30. */
  readonly network: string;
  readonly prefix: "30";
  readonly host: string;
  readonly guest: string;
}

/**
 * Yields the pairs that overlap none of the host's networks. `taken` holds destinations of routes and addresses as `ip` prints
 * them: "10.0.0.0/8", "10.0.0.1" or "default", which overlaps nothing.
 */
export function* freePairs(taken: readonly string[]): Generator<AddressPair> {
  const list = new BlockList();
  for (const text of taken) {
    const [address = "", bits = "32"] = text.split("/");
    if (isIPv4(address) && bits !== "0") list.addSubnet(address, Number(bits), "ipv4");
  }
  for (const { base, size } of RANGES) {
    const [a = 0, b = 0, c = 0] = base.split(".").map(Number);
    const at = (offset: number) => `${a}.${b}.${c + (offset >> 8)}.${offset & 255}`;
    for (let first = 0; first < size; first += SIZE) {
      const addresses = Array.from({ length: SIZE }, (_, index) => at(first + index));
      if (addresses.some((address) => list.check(address, "ipv4"))) continue;
      yield { network: `${at(first)}/30`, prefix: "30", host: at(first + 1), guest: at(first + 2) };
    }
  }
}
