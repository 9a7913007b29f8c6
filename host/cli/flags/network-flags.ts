import { isIPv4 } from "node:net";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { GuestNetwork } from "../../vm/guest-network.ts";
import type { PortForward } from "../../vm/port-forward.ts";
import { CliError } from "../cli-error.ts";

/** Flags for the network of the guest to boot. */
export interface NetworkFlags {
  readonly network?: "none" | GuestNetwork["kind"];
  readonly publish?: readonly PortForward[];
}

export function withNetworkFlags(command: Command): Command {
  const kinds =
    "network of the booted guest, shared by its containers: none, user for QEMU's user network, or tap for a link to this host, which needs root";
  const ports = "with --network user or tap: forward a host port (on 127.0.0.1 by default) to the guest";
  return command
    .addOption(new Option("--network <kind>", `${kinds} (default: none)`).choices(["none", "user", "tap"]))
    .option("-p, --publish <[address:]host:container[/udp]>", ports, portForwards);
}

/** Returns the network to boot a guest with. Throws CliError for ports without a network. */
export function guestNetwork({ network, publish = [] }: NetworkFlags): { readonly network?: GuestNetwork } {
  if (network === "user" || network === "tap") return { network: { kind: network, forwards: publish } };
  if (publish.length > 0) throw new CliError("-p: the guest has no network; add --network user");
  return {};
}

/** Parses "8080:80", "0.0.0.0:8080:80" or "5353:53/udp" and appends it to `before`. Throws InvalidArgumentError. */
function portForwards(text: string, before: readonly PortForward[] = []): readonly PortForward[] {
  const [, address = "127.0.0.1", host = "", guest = "", protocol = "tcp"] =
    /^(?:([\d.]+):)?(\d{1,5}):(\d{1,5})(?:\/(tcp|udp))?$/.exec(text) ?? [];
  const [hostPort, guestPort] = [Number(host), Number(guest)];
  const isPort = (port: number) => port >= 1 && port <= 65_535;
  if (!isIPv4(address) || !isPort(hostPort) || !isPort(guestPort)) {
    throw new InvalidArgumentError("Expected [IPV4:]HOST:CONTAINER[/tcp|/udp] with ports from 1 to 65535.");
  }
  return [...before, { protocol: protocol === "udp" ? "udp" : "tcp", address, hostPort, guestPort }];
}
