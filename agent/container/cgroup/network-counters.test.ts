import fc from "fast-check";
import { expect, test } from "vitest";
import { parseNetworkCounters } from "./network-counters.ts";

const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    1020      12    0    0    0     0          0         0     1020      12    0    0    0     0       0          0
eth0:0:9007199254740993       2    3    4    5     6          7         8        9      10   11   12   13    14      15         16
`;

test("returns the counters of each interface", () => {
  expect(parseNetworkCounters(text)).toEqual([
    {
      name: "lo",
      received: { bytes: 1020, packets: 12, errors: 0, dropped: 0 },
      sent: { bytes: 1020, packets: 12, errors: 0, dropped: 0 },
    },
    {
      name: "eth0:0",
      received: { bytes: 9007199254740992, packets: 2, errors: 3, dropped: 4 },
      sent: { bytes: 9, packets: 10, errors: 11, dropped: 12 },
    },
  ]);
});

test("never throws and returns only numbers, whatever the text is", () => {
  const line = fc.stringMatching(/^ *[a-z0-9:]*: *[0-9 ]*$/);
  fc.assert(
    fc.property(fc.oneof(fc.string(), line), (any) => {
      expect(JSON.stringify(parseNetworkCounters(any))).not.toContain("null");
    }),
  );
});
