"use strict";
// Selects the agent's bundle after an upgrade: the chosen one, or the image's own if the chosen one fails. choice.json
// is {bundle, starts} after an upgrade and {left, reason} after a fallback; the agent writes it too.
const { subscribe } = require("node:diagnostics_channel");
const { readFileSync, renameSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");
const { Worker } = require("node:worker_threads");

/** Consecutive starts that may end before the agent has listened for GOOD_LIFE_MS. */
const MAX_STARTS = 3;
const GOOD_LIFE_MS = 10_000;
/** A bundle that doesn't listen within this time is considered hung. */
const LISTEN_LIMIT_MS = 30_000;

function readChoice(directory) {
  try {
    const { bundle, starts, left } = JSON.parse(readFileSync(join(directory, "choice.json"), "utf8"));
    if (bundle === undefined) return { left };
    if (/^[0-9a-f]{64}$/.test(bundle) && Number.isInteger(starts)) return { bundle, starts };
  } catch {
    // Reported below.
  }
  return { unreadable: true };
}

/** Ignores a full /run, which must not keep the agent from starting. */
function writeChoice(directory, choice) {
  const path = join(directory, "choice.json");
  try {
    writeFileSync(`${path}.tmp`, JSON.stringify(choice), { mode: 0o600 });
    renameSync(`${path}.tmp`, path);
  } catch (error) {
    process.stderr.write(`guestd: can't write ${path}: ${error.code}\n`);
  }
}

const leftLine = (bundle, reason) =>
  `guestd: the agent's bundle ${bundle.slice(0, 12)} is abandoned: ${reason}; the image's own runs\n`;

function leave(directory, bundle, reason) {
  process.stderr.write(leftLine(bundle, reason));
  writeChoice(directory, { left: bundle, reason });
}

/**
 * Abandons a bundle that hangs, even if its main thread is busy, and kills the process. Returns a function that cancels
 * the watch.
 */
function watch(directory, bundle, limitMs) {
  const reason = `it did not listen within ${limitMs / 1000} s`;
  const workerData = {
    path: join(directory, "choice.json"),
    choice: JSON.stringify({ left: bundle, reason }),
    line: leftLine(bundle, reason),
    limitMs,
  };
  const code = `
    const { workerData: { path, choice, line, limitMs } } = require("node:worker_threads");
    const { renameSync, writeFileSync, writeSync } = require("node:fs");
    setTimeout(() => {
      writeFileSync(path + ".tmp", choice, { mode: 0o600 });
      renameSync(path + ".tmp", path);
      writeSync(2, line);
      process.kill(process.pid, "SIGKILL");
    }, limitMs);`;
  const worker = new Worker(code, { eval: true, workerData });
  worker.unref();
  return () => void worker.terminate();
}

/** Returns undefined for the image's own bundle. */
function bundleToRun(directory, { goodLifeMs = GOOD_LIFE_MS, listenLimitMs = LISTEN_LIMIT_MS } = {}) {
  const { bundle, starts, unreadable } = readChoice(directory);
  if (unreadable) process.stderr.write("guestd: can't read choice.json: the image's own agent runs\n");
  if (bundle === undefined) return undefined;
  if (starts >= MAX_STARTS) {
    const seconds = goodLifeMs / 1000;
    leave(directory, bundle, `${starts} starts in a row ended before it had listened for ${seconds} s`);
    return undefined;
  }
  writeChoice(directory, { bundle, starts: starts + 1 });
  const place = join(directory, bundle);
  return {
    run(load) {
      process.env.GUESTD_BUNDLE = bundle;
      process.env.GUESTD_SYS_NODE = join(place, "sys.node");
      const callOff = watch(directory, bundle, listenLimitMs);
      subscribe("guestd:listening", () => {
        callOff();
        setTimeout(() => {
          // Unless an upgrade has chosen another bundle meanwhile.
          if (readChoice(directory).bundle === bundle) writeChoice(directory, { bundle, starts: 0 });
        }, goodLifeMs).unref();
      });
      try {
        return load(place);
      } catch (error) {
        leave(directory, bundle, `can't load it: ${String(error).split("\n", 1)[0]}`);
        process.exit(1);
      }
    },
  };
}

module.exports = { bundleToRun };
