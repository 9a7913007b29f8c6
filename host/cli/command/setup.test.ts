import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { temporaryDirectory } from "../../../image/testing/tree.ts";
import { isRoot } from "../../../lib/is-root.ts";
import { packageRoot } from "../../../lib/package-root.ts";
import { BOUND_BY_MODES } from "../../../lib/testing/bound-by-modes.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { createCache } from "../../vm/cache-tag.ts";
import { cachedKernels, guestctlProgram } from "../../vm/paths.ts";
import { isKept } from "../prune/remove-cache.ts";
import { runGuestctl } from "../testing/run-guestctl.ts";

let folder: ReturnType<typeof temporaryDirectory>;
let cache = "";

beforeEach(() => {
  folder = temporaryDirectory();
  cache = join(folder.path, "cache");
});
afterEach(() => folder[Symbol.dispose]());

test.each([
  [
    "a kernel that doesn't exist",
    ["--kernel", "/none"],
    "kernel /none: no such file; give a bzImage or an arm64 Image",
  ],
  [
    "a program as kernel",
    ["--kernel", "/bin/sh"],
    "kernel /bin/sh: it is not a bootable kernel; give a bzImage or an arm64 Image",
  ],
  ["modules without a kernel", ["--modules", "/lib"], "setup: --modules needs --kernel"],
])("setup refuses %s in one line, and changes nothing", async (_name, args, line) => {
  const ended = await runGuestctl(folder.path, ["setup", ...args], { GUESTD_CACHE: cache });
  expect(ended).toEqual({ code: 1, stdout: "", stderr: `guestctl: ${line}\n` });
  expect(existsSync(cache)).toBe(false);
});

const kernel = cachedKernels()[0]?.kernel ?? "";
const why = !isRoot() ? "needs root, to mount a small disk" : kernel === "" ? "set-up fetched no kernel" : "";

test.skipIf(why !== "")(
  `setup says that the disk is full, and what to do, and leaves nothing there${why && ` (skipped: ${why})`}`,
  () => {
    mkdirSync(cache);
    const onSmallDisk = `mount -t tmpfs -o size=1m tmpfs "${cache}" && "$@"; status=$?; ls -A "${cache}/kernel"; exit $status`;
    const words = ["--mount", "sh", "-c", onSmallDisk, "sh", guestctlProgram(), "setup", "--kernel", kernel];
    const env = { ...process.env, GUESTD_CACHE: cache };
    const { status, stdout, stderr } = spawnSync("unshare", words, { env, encoding: "utf8" });
    expect({ status, stdout, stderr }).toEqual({
      status: 1,
      stdout: "",
      stderr: `guestctl: ${cache}/kernel: disk full: make room there, or use another folder with GUESTD_CACHE\n`,
    });
    expect(readdirSync(cache)).toEqual([]);
  },
);

/** Returns the folder's entries and the line of an error, or what `setup --remove` printed. */
async function remove(env: Readonly<Record<string, string>>, directory = cache) {
  const { code, stdout, stderr } = await runGuestctl(folder.path, ["setup", "--remove"], env);
  expect(code).toBe(stderr === "" ? 0 : 1);
  return { said: stdout + stderr, left: existsSync(directory) ? readdirSync(directory).sort() : undefined };
}

const removedFrom = (directory: string) =>
  `removed what guests need from ${directory}; packages of apt are still installed\n`;

test("setup --remove empties no folder that guestd did not create, and names what to look at there", async () => {
  for (const name of ["tools", "kernel", "mine"]) mkdirSync(join(cache, name), { recursive: true });
  const said = `guestctl: setup: ${cache}: guestd didn't create this folder (no CACHEDIR.TAG of its own); remove by hand what is guestd's of kernel, tools\n`;
  createCache(cache);
  expect(await remove({ GUESTD_CACHE: cache })).toEqual({ said, left: ["kernel", "mine", "tools"] });
  writeFileSync(join(cache, "CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n# another program's\n");
  expect((await remove({ GUESTD_CACHE: cache })).said).toBe(said);
});

test("setup --remove removes a folder that guestd created, with its mark, or by default", async () => {
  createCache(cache);
  mkdirSync(join(cache, "tools"));
  expect(await remove({ GUESTD_CACHE: cache })).toEqual({ said: removedFrom(cache), left: undefined });
  expect(await remove({ GUESTD_CACHE: cache })).toEqual({ said: removedFrom(cache), left: undefined });
  const home = join(folder.path, "home");
  const byDefault = join(home, ".cache/guestd");
  mkdirSync(join(byDefault, "tools"), { recursive: true });
  expect(await remove({ HOME: home }, byDefault)).toEqual({ said: removedFrom(byDefault), left: undefined });
});

test("setup --remove removes what an interrupted build left, and nothing that is not of set-up", async () => {
  createCache(cache);
  for (const name of ["build-virtiofsd@1.14.0", "tools", "build-mine"]) {
    mkdirSync(join(cache, name), { recursive: true });
    writeFileSync(join(cache, name, "file"), "");
  }
  for (let times = 0; times < 2; times++) {
    const left = ["CACHEDIR.TAG", "build-mine"];
    expect(await remove({ GUESTD_CACHE: cache })).toEqual({ said: removedFrom(cache), left });
  }
});

test("setup --remove knows every name that the sources put into the cache", () => {
  const sources = ["host", "rootfs-builder", "release"].flatMap((place) =>
    readdirSync(join(packageRoot(), place), { recursive: true, encoding: "utf8" })
      .filter((path) => /\.(ts|sh)$/.test(path) && !/\.test\.ts$|testing\//.test(path))
      .map((path) => readFileSync(join(packageRoot(), place, path), "utf8")),
  );
  const calls =
    /\b(?:userCache\(|cacheDirectory\(|join\((?:cacheDirectory\(\)|cache), )["`]([^"`/]+)|\$\{?cache\}?"?\/([\w-]+(?:\.\w+)?)/g;
  const names = sources.flatMap((text) => [...text.matchAll(calls)].map(([, name, inShell]) => name ?? inShell ?? ""));
  const known = new Set(names.filter((name) => name !== "CACHEDIR.TAG" && name !== "guestd" && !name.endsWith("-")));
  expect([...known].filter((name) => !isKept(name))).toEqual([]);
  expect(["debs", "images", "kernel", "layers", "node", "packages", "roots", "saved", "templates", "tools"]).toEqual(
    [...known].filter((name) => !/^(setup|accel|rego|runsc|guest|compiled)/.test(name)).sort(),
  );
});

test("setup --remove removes images, disks and templates of the user's cache, too, but none while a guest runs", async () => {
  const env = { XDG_CACHE_HOME: join(folder.path, "xdg"), GUESTD_CACHE: cache };
  const ofUser = join(folder.path, "xdg/guestd");
  createCache(cache);
  for (const name of ["facts-3", "node", "packages"]) mkdirSync(join(cache, name));
  for (const name of ["images", "layers", "roots", "saved", "templates", "mine"])
    mkdirSync(join(ofUser, name), { recursive: true });
  const guest = { name: "dev", address: "unix:///none", logAddress: "unix:///none", accelerator: "none", cpus: 1 };
  const state = join(folder.path, `guestd-${process.geteuid?.()}`);
  const store = new StateStore(state);
  store.claim("dev");
  store.writeGuest({
    ...guest,
    memoryMib: 1,
    timeline: { listening: 0, check: 0 },
    bootedAt: new Date().toISOString(),
  });
  const refused = "guestctl: setup: guests run from what would be removed; first: guestctl stop dev\n";
  expect(await remove(env)).toEqual({ said: refused, left: ["CACHEDIR.TAG", "facts-3", "node", "packages"] });
  store.removeGuest("dev");
  expect(await remove(env)).toEqual({ said: removedFrom(`${cache} and ${ofUser}`), left: undefined });
  expect(readdirSync(ofUser)).toEqual(["mine"]);
  expect(existsSync(state)).toBe(false);
});

const NOBODY = 65_534;

test.skipIf(!isRoot())(
  `setup --remove says in one line what it can't remove from another user's folder${isRoot() ? "" : " (skipped: needs root, to give it away)"}`,
  async () => {
    mkdirSync(join(cache, "tools"), { recursive: true });
    writeFileSync(join(cache, "tools/file"), "");
    chownSync(cache, NOBODY, NOBODY);
    chmodSync(cache, 0o700);
    const env = { ...process.env, GUESTD_CACHE: cache, HOME: folder.path };
    const words = [...BOUND_BY_MODES, guestctlProgram(), "setup", "--remove"];
    const { status, stdout, stderr } = spawnSync(words[0] ?? "", words.slice(1), { env, encoding: "utf8" });
    expect({ status, stdout, stderr }).toEqual({
      status: 1,
      stdout: "",
      stderr: `guestctl: setup: remove ${cache}: EACCES; repeat it as the user who ran setup\n`,
    });
    expect(existsSync(join(cache, "tools/file"))).toBe(true);
  },
);
