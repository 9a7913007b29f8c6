import fc from "fast-check";
import { expect, test } from "vitest";
import type { Init } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { AgentError } from "../../kernel/error.ts";
import { checkResumed } from "./check-resumed.ts";

const { ResumedRequest } = guestd.v1;
type Fields = Init<guestd.v1.ResumedRequest>;
const check = (fields: Fields) => checkResumed(ResumedRequest.decode(ResumedRequest.encode(fields).finish()));

test("returns the fields of a whole request", () => {
  const eth0 = { name: "eth0", hwAddr: "02:00:00:00:00:01", IPAddresses: [{ address: "10.0.0.2", mask: "24" }] };
  const { interfaces, routes, ...identity } = check({
    ...{ epoch: 2, entropy: Buffer.alloc(1024), realtime_seconds: 5, realtime_nanos: 999_999_999 },
    ...{ hostname: "box-1.example", machine_id: "0123456789abcdef".repeat(2), dns: ["nameserver 10.0.0.1"] },
    ...{ interfaces: [eth0], routes: [{ dest: "10.1.0.0/16", device: "eth0" }] },
  });
  expect(identity).toEqual({
    ...{ epoch: 2, entropy: Buffer.alloc(1024), time: { seconds: 5, nanos: 999_999_999 }, hostname: "box-1.example" },
    ...{ machineId: "0123456789abcdef".repeat(2), dns: ["nameserver 10.0.0.1"] },
  });
  expect(interfaces).toMatchObject([{ name: "eth0", hardwareAddress: "02:00:00:00:00:01" }]);
  expect(routes).toMatchObject([{ dest: "10.1.0.0/16", device: "eth0", family: "v4" }]);
  expect(check({}).time).toBeUndefined();
});

test.each<[string, Fields]>([
  ["epoch 18446744073709552000 is not below 2^53", { epoch: 2 ** 64 }],
  ["entropy of 31 bytes; send 32 to 1024", { entropy: Buffer.alloc(31) }],
  ["entropy of 1025 bytes; send 32 to 1024", { entropy: Buffer.alloc(1025) }],
  ["-1 s and 0 ns are no time till 2106", { realtime_seconds: -1 }],
  ["4294967296 s and 0 ns are no time till 2106", { realtime_seconds: 2 ** 32 }],
  ["1 s and 1000000000 ns are no time till 2106", { realtime_seconds: 1, realtime_nanos: 1e9 }],
  ['hostname "a b": not a host name of up to 64 letters, digits, dots and hyphens', { hostname: "a b" }],
  ['hostname "-a": not a host name of up to 64 letters, digits, dots and hyphens', { hostname: "-a" }],
  [`hostname "${"a".repeat(65)}": not a host name`, { hostname: "a".repeat(65) }],
  ['machine_id "x": not 32 hexadecimal digits in lower case', { machine_id: "x" }],
  [`machine_id "${"A".repeat(32)}": not 32 hexadecimal digits`, { machine_id: "A".repeat(32) }],
  [String.raw`dns "a\nb": not one line of up to 1024 characters`, { dns: ["a\nb"] }],
  ["65 lines of dns, at most 64 are allowed", { dns: Array(65).fill("search a") }],
  ["257 interfaces, at most 256 are allowed", { interfaces: Array(257).fill({ name: "eth0" }) }],
])("refuses in one line: %s", (line, fields) => {
  expect(() => check(fields)).toThrow(expect.objectContaining({ kind: "invalid-argument" }));
  expect(() => check(fields)).toThrow(line);
});

test.each<Fields>([
  { interfaces: [{ name: "a/b" }] },
  { interfaces: [{ name: "eth0", IPAddresses: [{ address: "10.0.0.300", mask: "24" }] }] },
  { routes: [{ dest: "10.1.0.0/33", device: "eth0" }] },
  { routes: [{ device: "" }] },
])("refuses interfaces and routes that UpdateInterface and UpdateRoutes refuse: %j", (fields) => {
  expect(() => check(fields)).toThrow(expect.objectContaining({ kind: "invalid-argument" }));
});

test("any request is accepted, or refused in one line", () => {
  const text = fc.string({ unit: "binary", maxLength: 80 });
  const request = fc.record({
    epoch: fc.maxSafeNat(),
    entropy: fc.uint8Array({ maxLength: 1100 }),
    realtime_seconds: fc.maxSafeInteger(),
    realtime_nanos: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    hostname: text,
    machine_id: text,
    dns: fc.array(text, { maxLength: 3 }),
    interfaces: fc.array(fc.record({ name: text, hwAddr: text, devicePath: text }), { maxLength: 2 }),
    routes: fc.array(fc.record({ dest: text, gateway: text, device: text }), { maxLength: 2 }),
  });
  fc.assert(
    fc.property(request, (fields) => {
      try {
        check(fields);
      } catch (error) {
        expect(error).toBeInstanceOf(AgentError);
        expect((error as Error).message).not.toMatch(/[\r\n]/);
      }
    }),
  );
});
