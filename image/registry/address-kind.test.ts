import { expect, test } from "vitest";
import { addressKind } from "./address-kind.ts";

test.each([
  [
    "loopback",
    ["127.0.0.1", "127.255.3.4", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::ffff:7f00:1", "64:ff9b::7f00:1"],
  ],
  ["link-local", ["169.254.169.254", "fe80::1", "fe80::1%eth0", "::ffff:169.254.169.254"]],
  ["private", ["10.0.2.2", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd00::1"]],
  ["private", ["192.0.0.192", "198.19.0.1", "64:ff9b:1::a00:1", "2002:7f00:1::1"]],
  ["public", ["8.8.8.8", "172.32.0.1", "128.0.0.1", "192.0.1.1", "2606:4700::1111", "::ffff:8.8.8.8"]],
])("tells that addresses are %s", (kind, addresses) => {
  expect(addresses.map(addressKind)).toEqual(addresses.map(() => kind));
});
