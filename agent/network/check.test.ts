import { expect, test } from "vitest";
import { checkHardwareAddress, checkName, checkPrefix } from "./check.ts";

test.each(["eth0", "a", "veth-1.100", "éth0", "br_0@x", "fifteen-bytes-x"])("%s is a name", (name) => {
  expect(checkName("name", name)).toBe(name);
});

test("hardware addresses of 6 and of 20 bytes are taken", () => {
  expect(checkHardwareAddress("lladdr", "02:00:00:00:00:FF")).toBe("02:00:00:00:00:ff");
  const infiniband = Array.from({ length: 20 }, () => "0a").join(":");
  expect(checkHardwareAddress("lladdr", infiniband)).toBe(infiniband);
  expect(() => checkHardwareAddress("lladdr", infiniband.slice(3))).toThrow("no hardware address");
});

test("a bare address is a prefix of all its bits", () => {
  expect(checkPrefix("dest", "10.0.0.1")).toEqual({ address: "10.0.0.1", length: 32, family: "v4" });
  expect(checkPrefix("dest", "::1")).toEqual({ address: "::1", length: 128, family: "v6" });
});

test("a long text is cut in the message", () => {
  expect(() => checkName("name", "x".repeat(1000))).toThrow(/^name "x{80}…": no name/);
});
