import { expect, test } from "vitest";
import { parseAddress } from "./address.ts";

test("parses the four forms of an address", () => {
  expect(parseAddress("unix:///run/a.sock")).toEqual({ kind: "unix", path: "/run/a.sock" });
  expect(parseAddress("unix://@name")).toEqual({ kind: "unix", path: "\0name" });
  expect(parseAddress("vsock://3:1024")).toEqual({ kind: "vsock", cid: 3, port: 1024 });
  expect(parseAddress("hvsock:///run/vm:1.sock:1024")).toEqual({ kind: "hvsock", path: "/run/vm:1.sock", port: 1024 });
});

test.each([
  "",
  "unix://",
  "unix://@",
  "unix://relative",
  "/run/a.sock",
  "vsock://3",
  "vsock://-1:1024",
  "vsock://4294967296:1",
  "hvsock:///run/vm.sock",
  "hvsock://vm.sock:1024",
  "tcp://1.2.3.4:5",
])("refuses %s in one line that quotes it", (text) => {
  expect(() => parseAddress(text)).toThrow(TypeError);
  expect(() => parseAddress(text)).toThrow(`address ${text}: `);
});
