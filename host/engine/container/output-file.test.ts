import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { olderOutput, positionFile } from "../record/process-records.ts";
import { OutputFile } from "./output-file.ts";

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "output-"));
  path = join(directory, "web.out");
  writeFileSync(path, "of an earlier run\n");
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Writes 5 bytes of each output, and notes the first ones. Then the process is killed. */
function beKilled(): void {
  OutputFile.begin(path);
  using file = new OutputFile(path);
  expect(file.from).toEqual({ stdout: 0, stderr: 0 });
  file.stdio.stdout.write("out1\n");
  file.note("stdout", 5);
  file.stdio.stderr.write("err1\n");
  file.note("stderr", 5);
  file.stdio.stdout.write("out2\n");
}

test("another process continues after the last bytes that were noted, and removes those behind them", () => {
  beKilled();
  using file = new OutputFile(path);
  expect(file.from).toEqual({ stdout: 5, stderr: 5 });
  expect(readFileSync(path, "utf8")).toBe("of an earlier run\nout1\nerr1\n");
});

test("a run again begins behind the output of the run before", () => {
  beKilled();
  OutputFile.begin(path);
  using file = new OutputFile(path);
  expect(file.from).toEqual({ stdout: 0, stderr: 0 });
  expect(readFileSync(path, "utf8")).toBe("of an earlier run\nout1\nerr1\nout2\n");
});

test("a process that was killed before its first note has written nothing", () => {
  writeFileSync(positionFile(path), "");
  using file = new OutputFile(path);
  expect(file.from).toEqual({ stdout: 0, stderr: 0 });
  expect(readFileSync(path, "utf8")).toBe("of an earlier run\n");
});

test("a container that prints without end fills two files, over all its runs", () => {
  const limit = 1000;
  for (let run = 0; run < 3; run++) {
    OutputFile.begin(path);
    using file = new OutputFile(path, limit);
    for (let line = 0; line < 100; line++) {
      file.stdio.stdout.write(`${run}.${line}`.padEnd(99).concat("\n"));
      file.note("stdout", (line + 1) * 100);
    }
  }
  expect(readdirSync(directory).sort()).toEqual(["web.out", "web.out.1", "web.out.position"]);
  const kept = readFileSync(olderOutput(path), "utf8") + readFileSync(path, "utf8");
  expect(kept.length).toBeLessThan(2 * limit + 100);
  const lines = kept.trimEnd().split(/ *\n/);
  expect(lines).toEqual(Array.from({ length: lines.length }, (_, at) => `2.${100 - lines.length + at}`));
});

test.each(["no", "an empty"])(
  "a process that was killed after it renamed the file, with %s new one, loses and repeats no byte",
  (fresh) => {
    beKilled();
    new OutputFile(path)[Symbol.dispose]();
    renameSync(path, olderOutput(path));
    if (fresh !== "no") writeFileSync(path, "");
    using file = new OutputFile(path);
    expect(file.from).toEqual({ stdout: 5, stderr: 5 });
    file.stdio.stdout.write("out2\n");
    file.note("stdout", 10);
    const kept = readFileSync(olderOutput(path), "utf8") + readFileSync(path, "utf8");
    expect(kept).toBe("of an earlier run\nout1\nerr1\nout2\n");
  },
);
