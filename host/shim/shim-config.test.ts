import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readShimConfig } from "./shim-config.ts";

const directory = mkdtempSync(join(tmpdir(), "config-"));
const file = join(directory, "shim.json");
afterAll(() => rmSync(directory, { recursive: true }));

const read = (text: string) => {
  writeFileSync(file, text);
  return readShimConfig(file);
};

test("reads what a node sets; without a file, nothing", () => {
  expect(readShimConfig(join(directory, "none"))).toEqual({});
  const config = { image: "/a/guest.img", kernelArgs: ["agent.log=debug"] };
  expect(read(JSON.stringify(config))).toEqual(config);
});

test.each([
  ["{", /shim\.json/],
  ["[]", /it is not a JSON object/],
  ['{"imgae": "/a"}', /imgae is unknown; use kernel, initrd, image, kernelArgs/],
  ['{"image": "a"}', /image is not an absolute path/],
  ['{"kernelArgs": ["a b"]}', /kernelArgs is not a list of words/],
])("refuses %s in one line", (text, line) => {
  expect(() => read(text)).toThrow(line);
  expect(() => read(text)).not.toThrow(/\n/);
});
