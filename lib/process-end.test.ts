import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

/** What a process prints and how it ends that has three clean-ups, the first of which fails (it runs last), and then does `last`. */
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
  "clean-ups run when %s ends the process, the last first, one that throws or not",
  (signal) => {
    expect(ending(`process.kill(process.pid, "${signal}");`)).toEqual({
      stdout: "third second ",
      signal,
      status: null,
    });
  },
);

test("and when it exits or falls over, but not those that are called off", () => {
  expect(ending("forget(); process.exit(3);")).toEqual({ stdout: "second ", signal: null, status: 3 });
  expect(ending("setImmediate(() => nothing());")).toEqual({ stdout: "third second ", signal: null, status: 1 });
});

test("a process that takes the signal itself decides when it ends", () => {
  const last = `
    process.on("SIGINT", () => { writeSync(1, "mine "); setImmediate(() => process.exit(4)); });
    process.kill(process.pid, "SIGINT");`;
  expect(ending(last)).toEqual({ stdout: "mine third second ", signal: null, status: 4 });
});
