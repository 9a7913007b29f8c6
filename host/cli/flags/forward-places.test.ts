import { expect, test } from "vitest";
import { placePair, placeText } from "./forward-places.ts";

test.each([
  ["8080:80", { port: 8080 }, { port: 80 }],
  ["80", { port: 80 }, { port: 80 }],
  ["0.0.0.0:8080:80", { host: "0.0.0.0", port: 8080 }, { port: 80 }],
  ["8080:10.0.0.2:80", { port: 8080 }, { host: "10.0.0.2", port: 80 }],
  ["[::1]:8080:[fd00::2]:80", { host: "::1", port: 8080 }, { host: "fd00::2", port: 80 }],
  ["localhost:0:localhost:80", { port: 0 }, { port: 80 }],
  ["unix:/host.sock:unix:/in/container.sock", { path: "/host.sock" }, { path: "/in/container.sock" }],
  ["unix:/host.sock:80", { path: "/host.sock" }, { port: 80 }],
  ["8080:db.example:80", { port: 8080 }, { host: "db.example", port: 80 }],
  ["8080:unix:@name", { port: 8080 }, { path: "@name" }],
])("parses %s", (text, first, second) => {
  expect(placePair(text)).toEqual({ first, second });
});

test.each([
  "",
  "x",
  "8080:",
  ":80",
  "8080:80:70:60:50",
  "70000",
  "unix:/only.sock",
  "unix:relative:80",
  "example.org:80:80",
  "80:unix:80",
  "80:80:80",
])("refuses %j", (text) => {
  expect(() => placePair(text)).toThrow(/Expected|is no port/);
});

test("formats places, with the port that was chosen", () => {
  expect(placeText({ port: 80 })).toBe("127.0.0.1:80");
  expect(placeText({ host: "::1", port: 0 }, 5)).toBe("[::1]:5");
  expect(placeText({ path: "/x" })).toBe("unix:/x");
});
