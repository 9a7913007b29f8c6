import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const run = promisify(execFile);
const KERNEL = join(import.meta.dirname, "warm-up-kernel.cjs");

/** A program that waits for its work, or for 500 ms, after which it runs a function that the cache then has. */
const WAITING = `(function (sleep, wait, work) {
  function afterPromise() { return 1; }
  function afterTimer() { return 2; }
  const late = [sleep(500, undefined, { ref: false }).then(afterPromise), new Promise((end) => wait(() => end(afterTimer()), 500))];
  return Promise.race([work, ...late]);
})`;

/** Resolves with the code cache of the program, whose work takes `ms`. */
async function cacheAfter(ms: number): Promise<string> {
  const script = `
    const { endNoLongWaits } = require(${JSON.stringify(KERNEL)});
    const wait = setTimeout;
    endNoLongWaits();
    const script = new vm.Script(${JSON.stringify(WAITING)});
    const work = new Promise((end) => wait(end, ${ms}));
    script.runInThisContext()(require("node:timers/promises").setTimeout, setTimeout, work).then(() => {
      process.stdout.write(script.createCachedData().toString("base64"));
      process.exit();
    });`;
  return (await run(process.execPath, ["--hash-seed=1", "--random-seed=1", "--no-flush-bytecode", "-e", script]))
    .stdout;
}

test("no timer of half a second or longer ends during warm-up, so a slow machine makes the same cache", async () => {
  const [quiet, loaded] = await Promise.all([cacheAfter(0), cacheAfter(600)]);
  expect(quiet).not.toBe("");
  expect(loaded).toBe(quiet);
});

test("a long wait during warm-up can still be cancelled, and a short one ends", async () => {
  const script = `
    require(${JSON.stringify(KERNEL)}).endNoLongWaits();
    const { setTimeout: sleep } = require("node:timers/promises");
    const cancelled = sleep(5000, undefined, { signal: AbortSignal.timeout(1) }).catch((error) => error.name);
    Promise.all([cancelled, sleep(1, "ended")]).then((all) => { console.log(all.join()); process.exit(); });`;
  expect((await run(process.execPath, ["-e", script])).stdout).toBe("AbortError,ended\n");
});
