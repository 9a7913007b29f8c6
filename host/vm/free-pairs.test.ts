import { expect, test } from "vitest";
import { freePairs } from "./free-pairs.ts";

const first = (...taken: string[]) => freePairs(taken).next().value?.network;

test("takes the first pair of the first range on a host with other networks", () => {
  expect(freePairs(["default", "192.0.2.0/24", "127.0.0.0/8", "0.0.0.0/0", "fd00::/64"]).next().value).toEqual({
    ...{ network: "10.213.0.0/30", prefix: "30", host: "10.213.0.1", guest: "10.213.0.2" },
  });
});

test.each([
  ["another guest's network", "10.213.0.0/30", "10.213.0.4/30"],
  ["one address of the pair", "10.213.0.3", "10.213.0.4/30"],
  ["a larger network that contains pairs", "10.213.0.0/22", "10.213.4.0/30"],
  ["a network that contains the range", "10.0.0.0/8", "172.31.213.0/30"],
])("avoids %s", (_, taken, network) => expect(first(taken)).toBe(network));

test("crosses bytes of the address", () => {
  const pairs = [...freePairs([])].map(({ guest }) => guest);
  expect(pairs.slice(63, 65)).toEqual(["10.213.0.254", "10.213.1.2"]);
  expect(new Set(pairs).size).toBe((16_384 + 256 + 256) / 4);
});

test("yields nothing if all ranges are taken", () => {
  expect([...freePairs(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"])]).toEqual([]);
});
