import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { buildFaultySys, buildPause, buildSeccomp, buildSys } from "./build.ts";

/** Each is built once, and the addons that ship once more for the first test. */
const built = { "sys.node": buildSys(), "seccomp.node": buildSeccomp(), faulty: buildFaultySys() };
const output = (command: string, ...args: string[]) => execFileSync(command, args, { encoding: "utf8" });

const addons = [
  ["sys.node", buildSys],
  ["seccomp.node", buildSeccomp],
] as const;

test.each(addons)("%s is identical, byte for byte, when built twice", (name, build) => {
  const first = readFileSync(built[name]);
  expect(readFileSync(build()).equals(first)).toBe(true);
});

test.each(addons)("%s exports only its registration, and needs only the C library and Node", (name) => {
  const path = built[name];
  const defined = output("nm", "-D", "--defined-only", "--format=just-symbols", path);
  expect(defined.trim().split("\n").sort()).toEqual(["napi_register_module_v1", "node_api_module_get_api_version_v1"]);
  const needed = output("readelf", "-d", path).match(/NEEDED.*\[(.*)\]/g) ?? [];
  expect(needed.map((line) => line.replace(/.*\[(.*)\]/, "$1"))).toEqual(["libc.so.6"]);
});

test("only the addon for tests can inject failures", () => {
  const [ships, faulty] = [built["sys.node"], built.faulty].map((path) => readFileSync(path).includes("GUESTD_FAULTS"));
  expect([ships, faulty]).toEqual([false, true]);
});

test("every system call of the addon for tests goes through a wrapper that can fail", () => {
  const undefinedIn = (path: string) =>
    output("nm", "-D", "--undefined-only", "--format=just-symbols", path)
      .split("\n")
      .map((name) => name.replace(/@.*/, ""));
  const plain =
    /^(napi_|node_api_|uv_|_|mem|str|calloc$|realloc$|free$|malloc_trim$|trunc$|munmap$|epoll_wait$|abort$|inet_pton$|sync$|$)/;
  const calls = undefinedIn(built["sys.node"]).filter((name) => !plain.test(name));
  const wrapped = output("nm", "--format=just-symbols", built.faulty);
  expect(calls.length).toBeGreaterThan(30);
  expect(calls.filter((name) => !wrapped.includes(`__wrap_${name}\n`))).toEqual([]);
});

test("the addon works when built with the sanitizer for undefined behaviour", () => {
  const script = `const addon = require(${JSON.stringify(buildSys({ sanitize: "undefined" }))});
    const pair = (open, ...rest) => {
      const out = new Int32Array(2);
      if (open(out, ...rest) !== 0) throw new Error("no pair");
      return out;
    };
    const [read, write] = pair(addon.pipe, 4096);
    console.log(addon.write(write, Buffer.from("x")), addon.readable(read));
    const [out, into] = pair(addon.pipe, 0);
    const [ours, theirs] = pair(addon.socketPair, 0);
    addon.write(write, Buffer.from("yz"));
    console.log(addon.sendFrames([read, into, out, ours], 3, 2, Buffer.from("<1><2>")));
    const frames = Buffer.alloc(20);
    console.log(frames.toString("latin1", 0, addon.read(theirs, frames)));
    const [source, from] = pair(addon.socketPair, 0);
    const [to, sink] = pair(addon.socketPair, 0);
    const pipe = require("node:fs").openSync("/proc/self/fd/" + pair(addon.pipe, 0)[0], "r+");
    for (const fd of [from, to]) addon.setNonBlocking(fd);
    addon.write(source, Buffer.from("through"));
    addon.close(source);
    const [note, count] = [new Float64Array(3), new Float64Array(1)];
    const pump = new addon.Pump([from, pipe, to], 4, note, count, 0, (status, ended) => {
      const got = Buffer.alloc(9);
      console.log(status, ended, count[0], got.toString("latin1", 0, addon.read(sink, got)), pump.close());
    });
    console.log(pump.start());`;
  expect(output(process.execPath, "-e", script)).toBe("1 1\n9\n<1>xy<2>z\n0\n0 1 7 through 0\n");
});

test("pause never ends by itself, and ends at once on a signal", async () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    const pause = spawn(buildPause(), { stdio: "ignore" });
    const exit = once(pause, "exit");
    pause.kill("SIGCHLD");
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(pause.exitCode).toBeNull();
    pause.kill(signal);
    expect(await exit).toEqual([0, null]);
  }
});
