import { expect, test } from "vitest";
import { checkHardwareAddress, checkName, checkPrefix } from "./check.ts";

test.each(["eth0", "a", "veth-1.100", "éth0", "br_0@x", "fifteen-bytes-x"])("accepts %s as a name", (name) => {
  expect(checkName("name", name)).toBe(name);
});

test("accepts hardware addresses of 6 and of 20 bytes", () => {
  expect(checkHardwareAddress("lladdr", "02:00:00:00:00:FF")).toBe("02:00:00:00:00:ff");
  const infiniband = Array.from({ length: 20 }, () => "0a").join(":");
  expect(checkHardwareAddress("lladdr", infiniband)).toBe(infiniband);
  expect(() => checkHardwareAddress("lladdr", infiniband.slice(3))).toThrow("not a hardware address");
});

test("reads an address without a length as a prefix of full length", () => {
  expect(checkPrefix("dest", "10.0.0.1")).toEqual({ address: "10.0.0.1", length: 32, family: "v4" });
  expect(checkPrefix("dest", "::1")).toEqual({ address: "::1", length: 128, family: "v6" });
});

test("cuts a long name in the error message", () => {
  expect(() => checkName("name", "x".repeat(1000))).toThrow(/^name "x{100}…": not a valid name/);
});
