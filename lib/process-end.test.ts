import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

/**
 * Returns the output and the end of a process with three clean-ups that runs `last`. The first clean-up fails, and runs
 * last.
 */
function ending(last: string): unknown {
  const script = `
    import { writeSync } from "node:fs";
    const { onProcessEnd } = await import(process.argv[1]);
    onProcessEnd(() => { throw new Error("on purpose"); });
    onProcessEnd(() => writeSync(1, "second "));
    const forget = onProcessEnd(() => writeSync(1, "third "));
    setInterval(() => {}, 1000);
    ${last}`;
  const args = ["--input-type=module", "--eval", script, join(import.meta.dirname, "process-end.ts")];
  const { stdout, signal, status } = spawnSync(process.execPath, args, { encoding: "utf8" });
  return { stdout, signal, status };
}

test.each(["SIGINT", "SIGTERM", "SIGHUP"])(
  "runs clean-ups in reverse order when %s ends the process, even if one throws",
  (signal) => {
    expect(ending(`process.kill(process.pid, "${signal}");`)).toEqual({
      stdout: "third second ",
      signal,
      status: null,
    });
  },
);

test("runs clean-ups at exit and after an uncaught error, except cancelled ones", () => {
  expect(ending("forget(); process.exit(3);")).toEqual({ stdout: "second ", signal: null, status: 3 });
  expect(ending("setImmediate(() => nothing());")).toEqual({ stdout: "third second ", signal: null, status: 1 });
});

test("leaves the end to a process that handles the signal itself", () => {
  const last = `
    process.on("SIGINT", () => { writeSync(1, "mine "); setImmediate(() => process.exit(4)); });
    process.kill(process.pid, "SIGINT");`;
  expect(ending(last)).toEqual({ stdout: "mine third second ", signal: null, status: 4 });
});
