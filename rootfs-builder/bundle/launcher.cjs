"use strict";
// What init executes in the guest: runs the agent's bundle beside it, with V8's code cache where there is one.
const { existsSync, readFileSync } = require("node:fs");
const { join } = require("node:path");
const { Script } = require("node:vm");

/** What the bundle loads on demand, and the file it is in, each with a code cache of its own or without. */
const CHUNKS = { "./grpc.cjs": "grpc", "./tar.cjs": "tar", "./yaml.cjs": "yaml" };

function readIfThere(path) {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * The text of a file of the bundle, which stays in the file: V8 reads it again only for what its cache lacks. Another addon
 * than the bundle's, or none, as in the warm-up: then it is in memory.
 */
function textOf(directory, filename) {
  try {
    const text = require(join(directory, "sys.node")).mapText(filename);
    if (typeof text === "string") return text;
  } catch {
    // Read it.
  }
  return readFileSync(filename, "latin1");
}

/** Frees the memory of a file that was read, which else waits for a collection that an idle agent does not have. */
function free(file) {
  if (file !== undefined && file.buffer.byteLength === file.byteLength) file.buffer.transfer(0);
}

/**
 * Runs `<name>.cjs` of `directory`, which holds the function of a CommonJS module, and gives its exports. The warm-up
 * gives the rest: `onScript(name, script)` is told of every script as it is compiled, without a code cache, and
 * `shownDirectory` stands for `directory` in stack traces, and in the caches to be made.
 * The bundle is ASCII: latin1 makes it a one-byte string without a look at every byte.
 */
function load(directory, name, onScript, shownDirectory = directory) {
  const filename = join(directory, `${name}.cjs`);
  const source = textOf(directory, filename);
  const cachedData = onScript === undefined ? readIfThere(join(directory, `${name}.cache`)) : undefined;
  const script = new Script(source, { filename: join(shownDirectory, `${name}.cjs`), cachedData });
  free(cachedData);
  if (script.cachedDataRejected) {
    process.stderr.write(`launcher: ${name}.cache is not of this Node (${process.version}) and bundle: not used\n`);
  }
  if (onScript !== undefined) onScript(name, script);
  const chunks = new Map();
  const requireFrom = (id) => {
    const chunk = CHUNKS[id];
    if (chunk === undefined) return require(id);
    if (!chunks.has(chunk)) chunks.set(chunk, load(directory, chunk, onScript, shownDirectory));
    return chunks.get(chunk);
  };
  const loaded = { exports: {} };
  script.runInThisContext().call(loaded.exports, loaded.exports, requireFrom, loaded, filename, directory);
  return loaded.exports;
}

/** The bundle that an upgrade chose, if there is one, else the one beside this file. */
function main() {
  const directory = join(process.env.GUESTD_STATE_DIR || "/run/guestd", "agent");
  if (existsSync(join(directory, "choice.json"))) {
    const { bundleToRun } = require("./choose-bundle.cjs");
    const bundle = bundleToRun(directory);
    if (bundle !== undefined) return bundle.run((place) => load(place, "agent"));
  }
  process.env.GUESTD_BUNDLE = "";
  return load(__dirname, "agent");
}

module.exports = { load };
if (require.main === module) main();
