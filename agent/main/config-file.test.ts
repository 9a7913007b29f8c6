import fc from "fast-check";
import { expect, test } from "vitest";
import { parseConfigFile } from "./config-file.ts";

const valuesOf = (text: string) => Object.fromEntries(parseConfigFile(text).values);

test("reads a file in the reference agent's format", () => {
  const text = `# the agent's own
log_level = "debug"   # loud
server_addr = 'unix://@x'
dev_mode = true
container_pipe_size = 65_536
hotplug_timeout = { secs = 5, nanos = 0 }
https_proxy = "http://a\\"b"

[mem_agent]
log_level = "error"
`;
  expect(valuesOf(text)).toEqual({
    log_level: "debug",
    server_addr: "unix://@x",
    dev_mode: "true",
    container_pipe_size: "65536",
    hotplug_timeout: "5",
    https_proxy: 'http://a"b',
  });
  expect(parseConfigFile(text).problems).toEqual([]);
});

test.each([
  ["x", 'line 1: not "key = value"'],
  ["a = [1]", "line 1: a: not a string, whole number or boolean"],
  ['\na = "open', "line 2: a: not a string, whole number or boolean"],
  ["a = 1\na = 2", "line 2: a is there twice; the first counts"],
])("%j is a problem of one line", (text, problem) => {
  expect(parseConfigFile(text).problems).toEqual([problem]);
});

test("reads back any text that JSON can quote", () => {
  fc.assert(
    fc.property(fc.string(), (value) => {
      fc.pre(!/[\p{Cc}]/u.test(value)); // JSON writes those as \u, which no option needs
      expect(valuesOf(`key = ${JSON.stringify(value)} # "`)).toEqual({ key: value });
    }),
  );
});

test("never throws, whatever the text", () => {
  fc.assert(fc.property(fc.string(), (text) => void parseConfigFile(text)));
});
