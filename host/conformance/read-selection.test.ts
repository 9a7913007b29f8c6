import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readSelection } from "./read-selection.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "conformance-selection-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(content: string): string {
  const path = join(folder, "config.yaml");
  writeFileSync(path, content);
  return path;
}

test("reads every setting of a file", () => {
  const content = `levels: [must, should]
groups: [std*]
names: ["ReadStdout: *"]
skip: ["*hundred*"]
contract: 3.2.0
timeLimit: 10
timeLimits: { "CopyFile: *": 60 }
concurrency: 8
seed: 7
protocol: both
require: should
`;
  expect(readSelection(file(content), {}, {})).toEqual({
    ...{ levels: ["must", "should"], groups: ["std*"], names: ["ReadStdout: *"], skip: ["*hundred*"] },
    ...{ contract: "3.2.0", timeLimit: 10, timeLimits: { "CopyFile: *": 60 }, concurrency: 8, seed: 7 },
    ...{ protocols: ["ttrpc", "grpc"], require: "should" },
  });
});

test("a variable wins over the file, and a flag over both", () => {
  const path = file("seed: 1\ntimeLimit: 1\nconcurrency: 1\n");
  const env = { GUESTD_CONFORMANCE_SEED: "2", GUESTD_CONFORMANCE_TIME_LIMIT: "2", HOME: "/" };
  expect(readSelection(path, env, { seed: "3" })).toMatchObject({ seed: 3, timeLimit: 2, concurrency: 1 });
});

test("everything runs with a new seed by default", () => {
  expect(readSelection(undefined, {}, {})).toMatchObject({
    ...{ levels: ["must", "should", "may"], groups: [], names: [], skip: [], protocols: ["ttrpc"], require: "must" },
    seed: expect.any(Number),
  });
});

describe("one line names the place, the setting and what was expected, for", () => {
  test.each([
    ["colour: red", /config\.yaml: colour: unknown setting; known are levels, groups, /],
    ["levels: [must, could]", /config\.yaml: levels: expected some of must, should, may, not \["must","could"\]$/],
    ["levels: []", /config\.yaml: levels: expected some of must/],
    ["timeLimit: 0", /config\.yaml: timeLimit: expected seconds, not 0$/],
    ["timeLimits: { x: soon }", /config\.yaml: timeLimits: expected a mapping of globs to seconds/],
    ["seed: -1", /config\.yaml: seed: expected a whole number from 0 to 4294967295, not -1$/],
    ["concurrency: 1.5", /config\.yaml: concurrency: expected a whole number from 1 to 64, not 1\.5$/],
    ["contract: newest", /config\.yaml: contract: expected a version such as /],
    ["protocol: http", /config\.yaml: protocol: expected ttrpc, grpc or both, not "http"$/],
    ["- must", /config\.yaml: not a mapping of settings$/],
    ["a: [", /config\.yaml: /],
  ])("the file %j", (content, line) => {
    expect(() => readSelection(file(content), {}, {})).toThrow(line);
    try {
      readSelection(file(content), {}, {});
    } catch (error) {
      expect((error as Error).message).not.toContain("\n");
    }
  });

  test("a variable", () => {
    expect(() => readSelection(undefined, { GUESTD_CONFORMANCE_COLOUR: "red" }, {})).toThrow(
      /^GUESTD_CONFORMANCE_COLOUR: unknown setting/,
    );
    expect(() => readSelection(undefined, { GUESTD_CONFORMANCE_TIME_LIMIT: "soon" }, {})).toThrow(
      /^GUESTD_CONFORMANCE_TIME_LIMIT: expected seconds, not "soon"$/,
    );
  });

  test("a flag", () => {
    expect(() => readSelection(undefined, {}, { timeLimit: "x" })).toThrow(/^--time-limit: expected seconds, not "x"$/);
  });

  test("a file that does not exist", () => {
    expect(() => readSelection(join(folder, "none.yaml"), {}, {})).toThrow(/none\.yaml: ENOENT/);
  });
});
