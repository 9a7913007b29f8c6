"use strict";
// Program that init executes in the guest: runs the agent's bundle beside it, with V8's code cache if there is one.
const { existsSync, readFileSync } = require("node:fs");
const { join } = require("node:path");
const { Script } = require("node:vm");

/** Modules that the bundle loads on demand, with the name of their file, each with or without its own code cache. */
const CHUNKS = { "./grpc.cjs": "grpc", "./tar.cjs": "tar", "./yaml.cjs": "yaml" };

/**
 * Parts of Node that are slow to load or take much memory, and that many agents never use: fs/promises loads readline; fs/promises,
 * net and v8 load all of Node's streams. Imported under these names, as guestd's own files do, they load when something of them is
 * first used.
 */
const DEAR = new Set(
  "child_process crypto fs/promises http http2 https net perf_hooks stream stream/promises tls v8 vm zlib"
    .split(" ")
    .map((name) => `node:${name}`),
);

/** Modules of Node by name: asking Node's loader for each import took 1 ms. */
const modules = new Map();

/** Returns a stand-in for a module that loads when something of it is first used. Listing its exports, as `import *` does, is a use. */
function onUse(id) {
  return new Proxy(
    {},
    {
      get: (_, key) => require(id)[key],
      has: (_, key) => key in require(id),
      ownKeys: () => Reflect.ownKeys(require(id)),
      getOwnPropertyDescriptor(_, key) {
        const found = Reflect.getOwnPropertyDescriptor(require(id), key);
        return found && { ...found, configurable: true };
      },
    },
  );
}

function moduleOf(id) {
  let found = modules.get(id);
  if (found === undefined) {
    found = DEAR.has(id) ? onUse(id) : require(id);
    modules.set(id, found);
  }
  return found;
}

function readIfThere(path) {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Returns the bundle's addon; without one, as in the warm-up, undefined. That of an upgrade may lack the newest functions. */
function addonOf(directory) {
  try {
    return require(join(directory, "sys.node"));
  } catch {
    return undefined;
  }
}

/**
 * Returns the text of a bundle's file as an external string: V8 rereads it from the file only for code that its cache
 * lacks. Without the bundle's addon, the text is in memory.
 */
function textOf(addon, filename) {
  const text = addon?.mapText?.(filename);
  return typeof text === "string" ? text : readFileSync(filename, "latin1");
}

/** Rounds of events, of about one call each, for which V8 only interprets. */
const INTERPRETED_ROUNDS = 2000;

/**
 * Returns a script with its code cache, after which V8 only interprets for the agent's first rounds: compiling to machine code
 * costs more time than a pod's few calls get back, and 11 MB of memory. The script is loaded with V8's default flags, since it
 * rejects a cache that was made with others.
 */
function compile(addon, source, options) {
  if (addon?.interpretFor === undefined) return new Script(source, options);
  const left = addon.interpretFor(0);
  const script = new Script(source, options);
  addon.interpretFor(left < 0 ? INTERPRETED_ROUNDS : left);
  return script;
}

/**
 * Frees the memory of a file that was read, without waiting for a garbage collection, which an idle agent doesn't have.
 */
function free(file) {
  if (file !== undefined && file.buffer.byteLength === file.byteLength) file.buffer.transfer(0);
}

/**
 * Runs `<name>.cjs` in `directory`, which holds a CommonJS module's function, and returns its exports. The warm-up
 * passes the other arguments: `onScript(name, script)` is called with every script as it is compiled, without a code
 * cache, and `shownDirectory` replaces `directory` in stack traces and in new caches. The bundle is ASCII, so latin1
 * makes a one-byte string without checking every byte.
 */
function load(directory, name, onScript, shownDirectory = directory) {
  const filename = join(directory, `${name}.cjs`);
  const addon = addonOf(directory);
  const source = textOf(addon, filename);
  const cachedData = onScript === undefined ? readIfThere(join(directory, `${name}.cache`)) : undefined;
  const script = compile(addon, source, { filename: join(shownDirectory, `${name}.cjs`), cachedData });
  free(cachedData);
  if (script.cachedDataRejected) {
    process.stderr.write(`launcher: ${name}.cache is not of this Node (${process.version}) and bundle: not used\n`);
  }
  if (onScript !== undefined) onScript(name, script);
  const chunks = new Map();
  const requireFrom = (id) => {
    const chunk = CHUNKS[id];
    if (chunk === undefined) return moduleOf(id);
    if (!chunks.has(chunk)) chunks.set(chunk, load(directory, chunk, onScript, shownDirectory));
    return chunks.get(chunk);
  };
  const loaded = { exports: {} };
  script.runInThisContext().call(loaded.exports, loaded.exports, requireFrom, loaded, filename, directory);
  return loaded.exports;
}

/** Runs the bundle that an upgrade chose, otherwise the one beside this file. */
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
