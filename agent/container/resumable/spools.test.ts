import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type LogEnd, Spools } from "./spools.ts";

let directory = "";
let spools: Spools;
beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), "spools-")), "below");
  spools = new Spools(directory);
});
afterEach(() => rmSync(join(directory, ".."), { recursive: true }));

const END: LogEnd = {
  ...{ container: "box", terminal: true, removedAt: 12 },
  status: { code: 3, signal: 0, userMicros: 0, systemMicros: 0, maxRssKib: 0 },
};

test("files are named by place and stream, in a directory that only the agent may see", () => {
  spools.openFile(7, 1).close();
  spools.openTimes(7, 1).close();
  spools.writeEnd(7, END);
  expect(readdirSync(directory).sort()).toEqual(["7.1", "7.1.times", "7.end"]);
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  for (const name of readdirSync(directory)) expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
});

test("an end is read as it was noted, and counts only if it was noted completely", () => {
  expect(spools.readEnd(7)).toBeUndefined();
  spools.openFile(7, 0).close();
  spools.writeEnd(7, END);
  expect(spools.readEnd(7)).toEqual(END);
  const { container: _, ...nameless } = END;
  for (const wrong of [
    nameless,
    { ...END, removedAt: "12" },
    { ...END, status: {} },
    { ...END, removedAt: undefined },
  ]) {
    writeFileSync(join(directory, "7.end"), JSON.stringify(wrong));
    expect(spools.readEnd(7)).toBeUndefined();
  }
  writeFileSync(join(directory, "7.end"), JSON.stringify(END).slice(0, -3));
  expect(spools.readEnd(7)).toBeUndefined();
});

test("all files of a place are removed, or of all places but those in use", () => {
  expect(() => spools.removeOthers(() => false)).not.toThrow(); // the directory doesn't exist
  for (const place of [7, 8, 17]) {
    for (const stream of [0, 1] as const) {
      spools.openFile(place, stream).close();
      spools.openTimes(place, stream).close();
    }
    spools.writeEnd(place, END);
  }
  spools.remove(8);
  spools.remove(8);
  expect(readdirSync(directory)).toHaveLength(10);
  spools.removeOthers((place) => place === 17);
  expect(readdirSync(directory).sort()).toEqual(["17.0", "17.0.times", "17.1", "17.1.times", "17.end"]);
});
