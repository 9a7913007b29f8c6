import { InvalidArgumentError } from "commander";
import { expect, test } from "vitest";
import {
  agentOption,
  bytes,
  count,
  identifier,
  kernelWords,
  mebibytes,
  memoryLimit,
  pattern,
  processors,
  signalNumber,
  storageSize,
  variables,
  volumes,
} from "./option-values.ts";

test.each([
  ["256m", 256 * 2 ** 20],
  ["1.5g", 1.5 * 2 ** 30],
  ["64K", 65_536],
  ["64KiB", 65_536],
  ["1mb", 2 ** 20],
  ["4096", 4096],
  ["4096b", 4096],
])("reads the size %s as %i bytes", (text, value) => {
  expect(bytes(text)).toBe(value);
});

test.each(["", "m", "0", "0m", "-1", "3q", "1e3", "9999999999t", " 1m"])("refuses %j as a size", (text) => {
  expect(() => bytes(text)).toThrow(InvalidArgumentError);
});

test("refuses a memory limit that no container runs with", () => {
  expect([memoryLimit("6m"), memoryLimit("1g")]).toEqual([6 * 2 ** 20, 2 ** 30]);
  for (const text of ["1", "512", "5m"])
    expect(() => memoryLimit(text)).toThrow("at least 6m; a number without a unit");
});

test("reads a guest's memory in MiB without a unit, and refuses too little to boot", () => {
  expect([mebibytes("512"), mebibytes("1g"), mebibytes("256m")]).toEqual([512, 1024, 256]);
  for (const text of ["127", "64m", "x"]) expect(() => mebibytes(text)).toThrow(InvalidArgumentError);
});

test("accepts a fraction of a processor", () => {
  expect([processors("0.5"), processors("2")]).toEqual([0.5, 2]);
  for (const text of ["0", "-1", "x", "1.", "513"]) expect(() => processors(text)).toThrow(InvalidArgumentError);
});

test("accepts only whole numbers from 1 as a count", () => {
  expect(count("20")).toBe(20);
  for (const text of ["0", "1.5", "-3", "", "x"]) expect(() => count(text)).toThrow(InvalidArgumentError);
});

test("collects variables; a bare name passes on the local value, if it is set", () => {
  process.env["GUESTCTL_TEST"] = "ours";
  const all = ["A=1", "B=", "C=x=y", "GUESTCTL_TEST", "GUESTCTL_NONE"];
  const given = all.reduce<readonly string[]>((before, text) => variables(text, before), []);
  delete process.env["GUESTCTL_TEST"];
  expect(given).toEqual(["A=1", "B=", "C=x=y", "GUESTCTL_TEST=ours"]);
  for (const text of ["", "=x"]) expect(() => variables(text)).toThrow(InvalidArgumentError);
});

test("accepts a signal's name, with or without SIG, or its number", () => {
  expect(["TERM", "SIGTERM", "sigterm", "15", "64"].map(signalNumber)).toEqual([15, 15, 15, 15, 64]);
  for (const text of ["", "0", "65", "SIGNOPE", "SIG"]) expect(() => signalNumber(text)).toThrow(InvalidArgumentError);
});

test("accepts only ids that agents accept, so never a path", () => {
  expect(identifier("web-1.a_b")).toBe("web-1.a_b");
  for (const text of ["", "a", "../x", "a/b", ".a", "a b", "a".repeat(101)]) {
    expect(() => identifier(text)).toThrow(InvalidArgumentError);
  }
});

test("refuses an invalid pattern", () => {
  expect(pattern("^a").test("abc")).toBe(true);
  expect(() => pattern("(")).toThrow(InvalidArgumentError);
});

test("reads a volume as an existing folder or a name, and a path in the container", () => {
  expect(volumes("/usr:/host/../usr")).toEqual([{ host: "/usr", guest: "/usr", mode: "rw" }]);
  expect(volumes("/usr/../usr/:/x:ro", volumes("/:/all:rw"))).toEqual([
    { host: "/", guest: "/all", mode: "rw" },
    { host: "/usr", guest: "/x", mode: "ro" },
  ]);
  expect(volumes("db_1.a:/x/", volumes("./:/all:ro"))).toEqual([
    { host: process.cwd(), guest: "/all", mode: "ro" },
    { name: "db_1.a", guest: "/x/", mode: "rw" },
  ]);
  for (const text of [
    "x:/x",
    ".data:/x",
    "..data:/x",
    "a\n:/x",
    `${"a".repeat(101)}:/x`,
    "../none:/x",
    "/usr",
    "/usr:x",
    "/usr:/x:rx",
    ":/x",
    "/usr:",
    "/nowhere:/x",
    "/etc/passwd:/x",
    "/proc/self/root/usr:/x",
  ]) {
    expect(() => volumes(text), text).toThrow(InvalidArgumentError);
  }
});

test("distinguishes agent options from kernel parameters and refuses line breaks in both", () => {
  expect(agentOption("log=debug", agentOption("agent.devmode"))).toEqual(["agent.devmode", "agent.log=debug"]);
  expect(kernelWords("loglevel=7  quiet", ["a"])).toEqual(["a", "loglevel=7", "quiet"]);
  for (const text of ["", "log debug", "=x", "log=a\nb"])
    expect(() => agentOption(text), text).toThrow(InvalidArgumentError);
  for (const text of ["", "a\nb"]) expect(() => kernelWords(text), text).toThrow(InvalidArgumentError);
});

test("parses the bound of a container's disk as docker does, and refuses one that is too small, too large or another option", () => {
  expect([storageSize("size=20g"), storageSize("size=16m")]).toEqual([20 * 2 ** 30, 2 ** 24]);
  for (const text of ["20g", "size=", "size=1m", "size=2t", "size=1g,x=y", "quota=1g"]) {
    expect(() => storageSize(text)).toThrow("Expected size= and a size from 16m to 1t, such as size=20g.");
  }
});
