import { type LookupAddress, lookup as lookUp } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { type AddressKind, addressKind } from "./address-kind.ts";

/** How names are resolved, and what kinds their addresses have; tests replace it. */
export interface Network {
  readonly lookup: LookupFunction;
  readonly kindOf: (address: string) => AddressKind;
}

const OWN_NETWORK: Network = { lookup: lookUp, kindOf: addressKind };

/**
 * Keeps what a registry names (a token server, a redirect) out of networks that the registry isn't in: a service of this machine
 * or behind its firewall may trust whoever can connect. A name is checked as it is resolved for the connection; the registry's
 * own counts as inside only by kinds of address that it has each time, because its owner decides what it resolves to.
 */
export class Reachable {
  readonly #home: string;
  readonly #network: Network;
  /** Kinds that each look-up of the registry's own name has found. */
  #homeKinds: ReadonlySet<AddressKind> | undefined;

  /** @param home host of the registry, as in a URL without brackets */
  constructor(home: string, network: Network = OWN_NETWORK) {
    this.#home = home;
    this.#network = network;
    if (isIP(home) > 0) this.#homeKinds = new Set([network.kindOf(home)]);
  }

  /** Throws for an address that the registry may not lead to. Names pass: `lookup` checks them. */
  check(hostname: string): void {
    if (isIP(hostname) > 0 && hostname !== this.#home) this.#checkAddress(hostname);
  }

  /** Returns the lookup for a connection to this host. A proxy's own name isn't checked. */
  lookup(host: string): LookupFunction {
    return (name, options, callback) => {
      this.#network.lookup(name, options, (error, found, family) => {
        if (error === null && name === host) {
          try {
            this.#take(name, typeof found === "string" ? [found] : found.map(({ address }: LookupAddress) => address));
          } catch (refused) {
            return callback(refused as Error, "");
          }
        }
        callback(error, found, family);
      });
    };
  }

  #take(name: string, addresses: readonly string[]): void {
    if (name === this.#home) {
      const kinds = new Set(addresses.map(this.#network.kindOf));
      // A host on the network may have a private address besides, but none that is this machine's alone.
      if (kinds.has("public")) for (const own of ["loopback", "link-local"] as const) kinds.delete(own);
      this.#homeKinds = new Set([...kinds].filter((kind) => this.#homeKinds?.has(kind) ?? true));
    }
    for (const address of addresses) this.#checkAddress(address);
  }

  #checkAddress(address: string): void {
    const kind = this.#network.kindOf(address);
    if (kind === "public" || this.#homeKinds?.has(kind)) return;
    if (kind === "private" && this.#homeKinds?.has("loopback")) return;
    throw new Error(`${this.#home} leads to the ${kind} address ${address}, which a registry elsewhere may not`);
  }
}
