import { Command, CommanderError } from "commander";
import { expect, test } from "vitest";
import { cardArguments, USER_NETWORK } from "../../vm/user-network.ts";
import { guestNetwork, type NetworkFlags, withNetworkFlags } from "./network-flags.ts";

function parse(...line: string[]): NetworkFlags {
  const quiet = { writeErr: () => undefined };
  return withNetworkFlags(new Command().exitOverride().configureOutput(quiet)).parse(line, { from: "user" }).opts();
}

test("publishes ports on 127.0.0.1 unless an address is given", () => {
  const flags = parse("--network", "user", "-p", "8080:80", "-p", "0.0.0.0:5353:53/udp");
  const { network } = guestNetwork(flags);
  const card = { forwards: network?.forwards ?? [], mac: USER_NETWORK.mac, port: "card" as const };
  expect(cardArguments(card, { type: "q35" }).slice(0, 2)).toEqual([
    "-netdev",
    "user,id=user,ipv6=off,hostfwd=tcp:127.0.0.1:8080-10.0.2.15:80,hostfwd=udp:0.0.0.0:5353-10.0.2.15:53",
  ]);
});

test("boots without a network by default", () => {
  expect([guestNetwork(parse()), guestNetwork(parse("--network", "none"))]).toEqual([{}, {}]);
  expect(() => guestNetwork(parse("-p", "8080:80"))).toThrow("-p: the guest has no network; add --network user");
});

test.each(["80", "0:80", "80:0", "65536:80", "1.2.3:80:80", "1.2.3.4.5:80:80", "1.2.3.400:80:80", "::1:80:80"])(
  "refuses %s as a port",
  (text) => expect(() => parse("--network", "user", "-p", text)).toThrow(CommanderError),
);

test.each(["80:80,hostfwd=tcp::1-:1", "80:80/sctp", "a:80", "80:80\n", "", "bridge:80:80"])("refuses %j", (text) => {
  expect(() => parse("-p", text)).toThrow(CommanderError);
});

test("refuses an unknown kind of network", () => {
  expect(() => parse("--network", "bridge")).toThrow(CommanderError);
});
