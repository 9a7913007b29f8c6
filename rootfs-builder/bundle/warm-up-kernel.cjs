"use strict";
// Stand-in for the kernel during warm-up: every privileged call succeeds without an effect.
const fs = require("node:fs");
const { join } = require("node:path");
const promised = require("node:timers/promises");

/** Paths that an agent changes, or that differ between machines; during warm-up they are below a separate directory. */
const MOVED = /^\/(?:run|sys\/fs\/cgroup|proc\/self\/mounts|proc\/sys\/vm)(?:\/|$)/;
const MOUNTS = "root / erofs ro 0 0\ntmpfs /run tmpfs rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n";
const PATHS = { renameSync: 2 };
const MOVED_CALLS =
  "accessSync existsSync lstatSync mkdirSync openSync readFileSync readdirSync renameSync rmSync rmdirSync statSync writeFileSync";
const CGROUP_FILES = {
  "cgroup.controllers": "cpu memory pids\n",
  "cgroup.subtree_control": "",
  "cgroup.events": "populated 0\nfrozen 0\n",
  "cgroup.procs": "",
  "cgroup.kill": "",
  "cgroup.max.descendants": "max\n",
  "cpu.max": "max 100000\n",
  "cpu.weight": "100\n",
  "memory.events": "oom 0\noom_kill 0\n",
  "memory.max": "max\n",
  "memory.oom.group": "0\n",
  "memory.swap.max": "max\n",
  "pids.max": "max\n",
};

/** Redirects node:fs for /run, the cgroups and the mounts to paths below `root`. */
function moveDirectories(root) {
  const moved = (path) => (typeof path === "string" && MOVED.test(path) ? join(root, path) : path);
  const cgroups = join(root, "sys/fs/cgroup");
  const make = fs.mkdirSync;
  for (const name of MOVED_CALLS.split(" ")) {
    const call = fs[name];
    const paths = PATHS[name] ?? 1;
    fs[name] = (...args) => call(...args.map((arg, at) => (at < paths ? moved(arg) : arg)));
  }
  const [makeMoved, remove, removeTree] = [fs.mkdirSync, fs.rmdirSync, fs.rmSync];
  const fill = (directory) => {
    for (const [name, text] of Object.entries(CGROUP_FILES)) fs.writeFileSync(join(directory, name), text);
  };
  fs.mkdirSync = (path, options) => {
    makeMoved(path, options);
    if (moved(path).startsWith(cgroups)) fill(moved(path));
  };
  fs.rmdirSync = (path) => (moved(path).startsWith(cgroups) ? removeTree(path, { recursive: true }) : remove(path));
  for (const directory of ["run", "proc/self"]) make(join(root, directory), { recursive: true });
  fs.writeFileSync(join(root, "proc/self/mounts"), MOUNTS);
  make(cgroups, { recursive: true });
  fill(cgroups);
}

/**
 * Returns the addon with calls that only root may make replaced by no-ops that succeed. Signals to processes go to
 * `onSignal`.
 */
function powerlessAddon(real, onSignal) {
  const done = () => 0;
  const later = async () => 0;
  const descriptor = () => fs.openSync("/dev/null", "r");
  const calls = (names, call) => Object.fromEntries(names.split(" ").map((name) => [name, call]));
  return {
    ...real,
    ...calls("unshare setns sethostname idmapMount makeNode setXattr", done),
    ...calls("attachDeviceFilter replaceDeviceFilter creditEntropy reseedRandom setTime", done),
    ...calls("mount umount sync", later),
    detachedMount: () => [descriptor(), 0, ""],
    loadDeviceFilter: descriptor,
    pidfdSendSignal(_pidfd, signal) {
      if (signal !== 0) onSignal();
      return 0;
    },
    openTree: async () => descriptor(),
  };
}

/** Longer timers never fire here: whether one did, and so what is compiled, would depend on the machine's speed. */
const LONG_MS = 500;
const FOR_EVER_MS = 2 ** 31 - 1;

function endNoLongWaits() {
  for (const name of ["setTimeout", "setInterval"]) {
    const wait = globalThis[name];
    globalThis[name] = (call, ms, ...args) => wait(ms >= LONG_MS ? () => {} : call, ms, ...args);
  }
  // Its signal still ends such a wait.
  const sleep = promised.setTimeout;
  promised.setTimeout = (ms, ...args) => sleep(ms >= LONG_MS ? FOR_EVER_MS : ms, ...args);
}

module.exports = { endNoLongWaits, moveDirectories, powerlessAddon };
