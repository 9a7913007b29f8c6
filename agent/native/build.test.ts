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
    /^(napi_|node_api_|uv_|_|mem|str|calloc$|realloc$|free$|malloc_trim$|trunc$|munmap$|epoll_wait$|abort$|inet_pton$|$)/;
  const calls = undefinedIn(built["sys.node"]).filter((name) => !plain.test(name));
  const wrapped = output("nm", "--format=just-symbols", built.faulty);
  expect(calls.length).toBeGreaterThan(30);
  expect(calls.filter((name) => !wrapped.includes(`__wrap_${name}\n`))).toEqual([]);
});

test("the addon loads when built with the sanitizer for undefined behaviour", () => {
  const script = `const addon = require(${JSON.stringify(buildSys({ sanitize: "undefined" }))});
    const out = new Int32Array(2);
    console.log(addon.pipe(out, 4096), addon.write(out[1], Buffer.from("x")), addon.readable(out[0]));`;
  expect(output(process.execPath, "-e", script)).toBe("0 1 1\n");
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
