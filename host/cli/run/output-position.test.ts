import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { positionFile } from "../../state/process-records.ts";
import { OutputPosition } from "./output-position.ts";

let directory: string;
let path: string;
let output: number;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "position-"));
  path = join(directory, "web.out");
  writeFileSync(path, "of an earlier run\n");
  output = openSync(path, "a");
});
afterEach(() => {
  closeSync(output);
  rmSync(directory, { recursive: true });
});

/** Writes 5 bytes of each output, and notes the first ones. Then the process is killed. */
function beKilled(): void {
  using position = OutputPosition.begin(path, output);
  expect(position.from).toEqual({ stdout: 0, stderr: 0 });
  writeSync(output, "out1\n");
  position.note("stdout", 5);
  writeSync(output, "err1\n");
  position.note("stderr", 5);
  writeSync(output, "out2\n");
}

test("another process continues after the last bytes that were noted, and removes those behind them", () => {
  beKilled();
  using position = OutputPosition.find(path, output);
  expect(position.from).toEqual({ stdout: 5, stderr: 5 });
  expect(readFileSync(path, "utf8")).toBe("of an earlier run\nout1\nerr1\n");
});

test("a run again begins behind the output of the run before", () => {
  beKilled();
  using position = OutputPosition.begin(path, output);
  expect(position.from).toEqual({ stdout: 0, stderr: 0 });
  expect(readFileSync(path, "utf8")).toBe("of an earlier run\nout1\nerr1\nout2\n");
});

test("a process that was killed before its first note has written nothing", () => {
  writeFileSync(positionFile(path), "");
  using position = OutputPosition.find(path, output);
  expect(position.from).toEqual({ stdout: 0, stderr: 0 });
  expect(readFileSync(path, "utf8")).toBe("of an earlier run\n");
});
