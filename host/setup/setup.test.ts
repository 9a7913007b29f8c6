import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CACHE_TAG, CACHE_TAG_TEXT } from "../vm/cache-tag.ts";
import { findProgram } from "../vm/programs.ts";

const script = fileURLToPath(new URL("setup.sh", import.meta.url));
const tools = "cat chmod cut date dirname head id ls mkdir mktemp mv rm sed sleep sort tail tr uname env".split(" ");

describe("setup.sh", () => {
  let directory = "";
  let bin = "";

  /** Simulates a machine with an empty cache whose PATH has basic tools and the programs added with `program`. */
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "setup-"));
    bin = join(directory, "bin");
    mkdirSync(bin);
    symlinkSync(process.execPath, join(bin, "node"));
    for (const tool of tools) symlinkSync(findProgram(tool) ?? "", join(bin, tool));
  });

  afterEach(() => rmSync(directory, { recursive: true }));

  function program(name: string, text: string): void {
    const path = join(bin, name);
    rmSync(path, { force: true });
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
  }

  /** Puts what cargo builds for a release into the cache. */
  function keepCrates(): void {
    const kept = join(directory, "cache/tools");
    mkdirSync(join(kept, "bin"), { recursive: true });
    for (const name of ["virtiofsd", "vhost-device-vsock"]) {
      for (const file of [`${name}.json`, `bin/${name}`]) writeFileSync(join(kept, file), "");
    }
  }

  function setup(...argv: string[]): { status: number | null; output: string } {
    const [GUESTD_CACHE, GUESTD_CARRIED] = [join(directory, "cache"), join(directory, "carried")];
    const env = { PATH: bin, HOME: directory, GUESTD_CACHE, GUESTD_CARRIED };
    const { status, stdout, stderr } = spawnSync("/bin/sh", [script, ...argv], { env, encoding: "utf8" });
    return { status, output: stdout + stderr };
  }

  test("prints nothing and returns quickly on a machine that is ready", async () => {
    // A machine that root has set up isn't ready for other users: they can't use every virtiofsd, and have their own cache.
    const cache = join(directory, "cache");
    for (const folder of ["kernel/1/boot", "tools"]) mkdirSync(join(cache, folder), { recursive: true });
    writeFileSync(join(cache, "kernel/1/boot/vmlinuz-1"), "");
    for (const name of ["virtiofsd", "vhost-device-vsock"]) program(name, "echo virtiofsd 1.14.0");
    symlinkSync(bin, join(cache, "tools/bin"));
    const env = { ...process.env, LC_ALL: "C", GUESTD_CACHE: cache };
    /** Returns the processor time of the set-up and its programs: on a busy machine it takes longer. */
    const seconds = () => {
      const line = '/bin/sh "$0" && echo ready; times';
      const { stdout, stderr } = spawnSync("/bin/sh", ["-c", line, script], { env, encoding: "utf8" });
      expect([stdout.split("\n")[0], stderr]).toEqual(["ready", ""]);
      const [, children = ""] = /\n([^\n]*)\n$/.exec(stdout) ?? [];
      const times = [...children.matchAll(/(\d+)m([\d.]+)s/g)].map(
        ([, minutes, rest]) => 60 * Number(minutes) + Number(rest),
      );
      expect(times).toHaveLength(2); // in user mode and in the kernel
      return times.reduce((sum, each) => sum + each, 0);
    };
    await expect.poll(seconds).toBeLessThan(0.5);
  });

  test("takes the user's home of /etc/passwd if HOME isn't set", () => {
    const home = spawnSync("/bin/sh", ["-c", 'eval echo "~$(id -un)"'], { encoding: "utf8" }).stdout.trim();
    const of = (HOME?: string) => {
      const env = { PATH: process.env["PATH"], ...(HOME === undefined ? {} : { HOME }) };
      const { status, stdout, stderr } = spawnSync("/bin/sh", [script, "--list"], { env, encoding: "utf8" });
      return { status, stdout, stderr };
    };
    expect(of()).toEqual(of(home));
  });

  test("lists missing programs with their purpose, and installs none, on other distributions than Debian", () => {
    program("cargo", "echo cargo 1.96.0");
    const { status, output } = setup("demo");
    expect(status).toBe(1);
    expect(output).toMatch(/^ {2}qemu-system-\w+ +runs the guest \(Debian package qemu-system-\w+\)$/m);
    expect(output).toMatch(/^ {2}mkfs\.erofs +builds the guest image/m);
    expect(output).toMatch(/^ {2}a guest kernel +put one at .+\/cache\/kernel\/VERSION\/boot\/vmlinuz-VERSION/m);
    expect(output.trim().split("\n").at(-1)).toMatch(
      /^setup: this is not Debian or Ubuntu; install the programs above/,
    );
  });

  test("prints the command to run for an ordinary user without sudo", () => {
    program("apt-get", "exit 1");
    program("apt-cache", "exit 1");
    program("id", "echo 1000");
    const { status, output } = setup("test");
    expect(status).toBe(1);
    expect(output.trim().split("\n").at(-1)).toMatch(
      /^setup: installing packages needs root\. Run: sudo apt-get update && sudo apt-get install --no-install-recommends -y .*\bcrun\b.*\bqemu-system-/,
    );
  });

  test("lists the build tools of virtiofsd in Rust for tests and on request, for an ordinary user who has only QEMU's", () => {
    program("apt-get", "exit 1");
    program("apt-cache", "exit 1");
    program("id", "echo 1000");
    program("virtiofsd", "echo 'setgroups() failed with error=1:Operation not permitted' >&2; exit 1");
    const onDebian12 = /^VERSION_ID="?12"?$/m.test(readFileSync("/etc/os-release", "utf8"));
    for (const words of [["test"], ["demo", "--virtiofsd"]]) {
      const { output } = setup(...words);
      expect(output).toMatch(onDebian12 ? /^ {2}virtiofsd +.*built by cargo install/m : /^ {2}virtiofsd +/m);
    }
    if (onDebian12) expect(setup("demo").output).not.toMatch(/virtiofsd/);
    program("virtiofsd", "echo 'virtiofsd 1.14.0'");
    expect(setup("test").output).not.toMatch(/^ {2}virtiofsd /m);
    program("virtiofsd", "echo 'virtiofsd version 7.2.22'");
    program("id", "echo 0");
    expect(setup("test").output).not.toMatch(/^ {2}virtiofsd /m);
  });

  test("as root, lists missing programs before installing them, and updates apt's lists once if they lack a package", () => {
    const calls = join(directory, "calls");
    program("apt-get", `echo "apt-get $*" >>"${calls}"`);
    program("apt-cache", `[ "$1" != show ] || grep -q update "${calls}"`);
    symlinkSync(findProgram("grep") ?? "", join(bin, "grep"));
    program("cargo", "echo cargo 1.96.0");
    program("id", "echo 0");
    const { status, output } = setup("demo");
    const done = readFileSync(calls, "utf8").trim().split("\n");
    expect(done[0]).toMatch(/^apt-get .*update$/);
    expect(done[1]).toMatch(/^apt-get .*--no-install-recommends .*install .*\bcpio\b.*\bqemu-system-/);
    expect(done).toHaveLength(2);
    expect(output.indexOf("missing:")).toBeLessThan(output.indexOf("setup: apt-get install"));
    // This apt has no kernel.
    expect(status).toBe(1);
    expect(output.trim().split("\n").at(-1)).toMatch(/^setup: apt knows no kernel for linux-image-/);
  });

  test("shows the end of apt's output after a failed installation, and marks a cache that it created, and no other", () => {
    program("apt-get", 'case "$*" in *install*) echo "E: no space left" >&2; exit 100 ;; esac');
    program("apt-cache", "exit 0");
    program("cargo", "echo cargo 1.96.0");
    program("id", "echo 0");
    const { status, output } = setup("demo");
    expect(status).toBe(1);
    expect(output).toMatch(/ {2}\| E: no space left\nsetup: apt-get install failed; see .+setup\.log\n$/);
    const mark = join(directory, "cache", CACHE_TAG);
    expect(readFileSync(mark, "utf8")).toBe(CACHE_TAG_TEXT);
    rmSync(mark);
    expect(setup("demo").status).toBe(1);
    expect(existsSync(mark)).toBe(false);
  });

  test.each([
    ["apt", "E: You don't have enough free space in /var/cache/apt/archives/."],
    ["a program", "dpkg: error: cannot copy extracted data: failed to write (No space left on device)"],
  ])("says that the disk is full if %s says so", (_name, text) => {
    program("apt-get", `case "$*" in *install*) echo "${text}" >&2; exit 100 ;; esac`);
    program("apt-cache", "exit 0");
    program("cargo", "echo cargo 1.96.0");
    program("id", "echo 0");
    expect(setup("guest").output.trim().split("\n").at(-1)).toBe(
      "setup: apt-get install failed: the disk is full; free some space, then run this again",
    );
  });

  test("says that the disk is full if it has no room for the log", () => {
    program("apt-get", "exit 100");
    program("apt-cache", "exit 0");
    program("cargo", "echo cargo 1.96.0");
    program("id", "echo 0");
    program(
      "df",
      `echo "Filesystem 1024-blocks Used Available Capacity Mounted on"; echo "/dev/vda 1000 996  4 100% /"`,
    );
    expect(setup("guest").output.trim().split("\n").at(-1)).toBe(
      "setup: apt-get update failed: the disk is full; free some space, then run this again",
    );
    program(
      "df",
      `echo "Filesystem 1024-blocks Used Available Capacity Mounted on"; echo "/dev/vda 9999 1 9998  1% /"`,
    );
    expect(setup("guest").output.trim().split("\n").at(-1)).toMatch(/^setup: apt-get update failed; see .+setup\.log$/);
  });

  test("installs nothing if it can't write to the cache, and says what to do", () => {
    const calls = join(directory, "calls");
    program("apt-get", `echo "apt-get $*" >>"${calls}"`);
    program("apt-cache", "exit 0");
    program("cargo", "echo cargo 1.96.0");
    program("id", "echo 0");
    writeFileSync(join(directory, "cache"), "");
    const { status, output } = setup("guest");
    expect([status, output.trim().split("\n").at(-1)]).toEqual([
      1,
      `setup: cannot write to ${directory}/cache: File exists; make it writable, or set GUESTD_CACHE to another folder`,
    ]);
    rmSync(join(directory, "cache"));
    mkdirSync(join(directory, "cache/setup.log"), { recursive: true });
    expect(setup("guest").output.trim().split("\n").at(-1)).toMatch(/^setup: cannot write to .+: Is a directory; /);
    expect(existsSync(calls)).toBe(false);
  });

  test("names --kernel if only the kernel is missing, on other distributions than Debian", () => {
    for (const name of ["qemu-system-x86_64", "qemu-system-aarch64", "setpriv", "virtiofsd", "vhost-device-vsock"]) {
      program(name, "echo virtiofsd 1.14.0");
    }
    const { status, output } = setup("guest", "--list");
    expect(output.trim().split("\n").slice(0, 1)).toEqual(["setup: missing:"]);
    expect([status, output.trim().split("\n").at(-1)]).toEqual([
      1,
      expect.stringMatching(
        /^setup: this is not Debian or Ubuntu, so there is no kernel for guests; put one at .*, or run \.\/guestctl setup --kernel FILE$/,
      ),
    ]);
  });

  test("reports cargo's progress while it builds a crate, and the end of its output if it fails", () => {
    const [log, told] = [join(directory, "log"), join(directory, "told")];
    program(
      "cargo",
      `[ "$1" = install ] || exit 0; echo "   Compiling libc v0.2.1"; until [ -s "${told}" ]; do sleep 0.01; done; echo "error: $3"; exit 101`,
    );
    const source = `set -eu; cache="${directory}"; log="${log}"
      say() { echo "setup: $*"; case $* in *Compiling*) echo >"${told}" ;; esac; }
      fail() { echo "setup: $1: $(tail -n 1 "$2")" >&2; exit 1; }
      . "${join(script, "../with-progress.sh")}"; . "${join(script, "../crates.sh")}"
      find_cargo() { echo cargo; }; crates=tool@1.0.0; crates_build`;
    const env = { PATH: bin, HOME: directory, GUESTD_PROGRESS_SECONDS: "0.05" };
    const { status, stdout, stderr } = spawnSync("/bin/sh", ["-c", source], { env, encoding: "utf8", timeout: 50_000 });
    expect(stdout).toMatch(/^setup: {3}\d+ s: Compiling libc v0\.2\.1$/m);
    expect([status, stderr]).toEqual([1, `setup: cargo install tool@1.0.0 failed; see ${log}: error: --locked\n`]);
  });

  test("links crates statically, and keeps what each was built from", () => {
    const calls = join(directory, "calls");
    program(
      "cargo",
      `case $1 in -vV) echo "host: a-b-c" ;; metadata) echo "crates of $8" ;;
      install) echo "$* $CARGO_ENCODED_RUSTFLAGS" >"${calls}"; mkdir -p "${directory}/build-tool" "${directory}/tools" ;; esac`,
    );
    const source = `set -eu; cache="${directory}"; log="${join(directory, "log")}"; say() { :; }; with_progress() { "$@"; }
      is_file() { [ -e "$1" ]; }; . "${join(script, "../crates.sh")}"; find_cargo() { echo cargo; }
      crates=tool@1.0.0; crates_build; mkdir "$cache/tools/bin"; : >"$cache/tools/bin/tool"; crate_is_static tool`;
    const { status, stderr } = spawnSync("/bin/sh", ["-c", source], {
      env: { PATH: bin, HOME: directory, CARGO_HOME: directory },
      encoding: "utf8",
    });
    expect([status, stderr]).toEqual([0, ""]);
    expect(readFileSync(calls, "utf8")).toMatch(
      /^install tool@1\.0\.0 --locked --force --target a-b-c .*-C.target-feature=\+crt-static./,
    );
    expect(readFileSync(join(directory, "tools/tool.json"), "utf8")).toMatch(
      /^crates of .*\/tool-1\.0\.0\/Cargo\.toml\n$/,
    );
  });

  test("takes a later cargo of PATH if the first is rustup's proxy without a toolchain", () => {
    const proxy = join(directory, "rustup's bin");
    program("cargo", "echo 'error: rustup could not choose a version of cargo to run' >&2; exit 1");
    mkdirSync(proxy);
    renameSync(join(bin, "cargo"), join(proxy, "cargo"));
    const find = () => {
      const env = { PATH: `${proxy}:${bin}`, HOME: directory };
      const source = `set -eu; . "${join(script, "../crates.sh")}"; find_cargo`;
      return spawnSync("/bin/sh", ["-c", source], { env, encoding: "utf8" }).stdout.trim();
    };
    expect(find()).not.toContain(directory);
    program("cargo", "echo cargo 1.96.0");
    expect(find()).toBe(join(bin, "cargo"));
  });

  test("for a guest that is built, needs no compiler, builder or npm package", () => {
    program("cargo", "echo cargo 1.96.0");
    const { output } = setup("guest");
    expect(output).toMatch(/^ {2}qemu-system-\w+ +runs the guest/m);
    expect(output).toMatch(/^ {2}a guest kernel /m);
    expect(output).not.toMatch(/gcc|mkfs|cpio|npm packages/);
  });

  test.each([
    ["demo", ["ci --omit=dev"]],
    ["release", ["ci"]],
  ])("installs npm's packages for the %s: all that it needs, once", (goal, wanted) => {
    const checkout = join(directory, "checkout");
    cpSync(dirname(script), join(checkout, "host/setup"), { recursive: true });
    const own = `node_modules/node-linux-${process.arch === "arm64" ? "arm64" : "x64"}`;
    const needed = { [own]: { version: "1" } };
    const packages = { ...needed, "node_modules/vitest": { version: "2", dev: true } };
    writeFileSync(join(checkout, "package-lock.json"), JSON.stringify({ packages }));
    mkdirSync(join(directory, "cache/kernel/1/boot"), { recursive: true });
    writeFileSync(join(directory, "cache/kernel/1/boot/vmlinuz-1"), "");
    keepCrates();
    for (const tool of ["cp", "ln", "uname"]) {
      rmSync(join(bin, tool), { force: true });
      symlinkSync(findProgram(tool) ?? "", join(bin, tool));
    }
    program("id", "echo 0");
    program("apt-cache", "exit 0");
    program("apt-get", "exit 0");
    const calls = join(directory, "calls");
    program(
      "npm",
      `echo "$*" >>"${calls}"
mkdir -p ${own}/bin node_modules/.bin
ln -sf "${process.execPath}" ${own}/bin/node
case "$*" in
  *--omit=dev*) echo '${JSON.stringify({ packages: needed })}' ;;
  *) echo '${JSON.stringify({ packages })}' ;;
esac >node_modules/.package-lock.json`,
    );
    const env = { PATH: bin, HOME: directory, GUESTD_CACHE: join(directory, "cache") };
    const run = () => spawnSync("/bin/sh", [join(checkout, "host/setup/setup.sh"), goal], { env, encoding: "utf8" });
    expect(run().stdout).toContain("setup: everything is installed\n");
    const [words = ""] = readFileSync(calls, "utf8").trim().split("\n");
    expect(run().stdout).not.toContain("npm packages");
    expect(readFileSync(calls, "utf8").trim().split("\n")).toHaveLength(1);
    expect([words.replaceAll(/ --(no-audit|no-fund|loglevel=error)/g, "")]).toEqual(wanted);
    const { stdout } = spawnSync("/bin/sh", [join(checkout, "host/setup/setup.sh"), "test", "--list"], {
      env,
      encoding: "utf8",
    });
    expect(/^ {2}npm packages /m.test(stdout)).toBe(goal === "demo");
  });

  test("builds the vsock device for tests and on request only", () => {
    program("cargo", "echo cargo 1.96.0");
    const lists = [["guest"], ["demo"], ["guest", "--vsock-device"], ["test"]].map((words) => setup(...words).output);
    const usable = existsSync("/dev/vhost-vsock"); // then no machine needs it
    expect(lists.map((list) => /^ {2}vhost-device-vsock /m.test(list))).toEqual([false, false, !usable, !usable]);
  });

  test("builds what a release carries, also where other programs of that name are installed", () => {
    for (const name of ["virtiofsd", "vhost-device-vsock"]) program(name, "echo 'virtiofsd 1.14.0'");
    program("cargo", "echo cargo 1.96.0");
    expect(setup("release").output).toMatch(/^ {2}virtiofsd .*cargo install\)\n(.*\n)*?^ {2}vhost-device-vsock /m);
    keepCrates();
    expect(setup("release").output).not.toMatch(/^ {2}(virtiofsd|vhost-device-vsock) /m);
  });

  test("needs no program that the package of the guest carries", () => {
    const carried = join(directory, "carried");
    mkdirSync(carried);
    program("cargo", "echo cargo 1.96.0");
    const words = ["guest", "--virtiofsd", "--vsock-device"];
    const before = setup(...words).output;
    for (const name of ["virtiofsd", "vhost-device-vsock"]) {
      program(name, "echo 'virtiofsd 1.14.0'");
      renameSync(join(bin, name), join(carried, name));
    }
    if (!existsSync("/dev/vhost-vsock")) expect(before).toMatch(/^ {2}vhost-device-vsock /m);
    expect(setup(...words).output).not.toMatch(/^ {2}(virtiofsd|vhost-device-vsock) /m);
  });

  test("only lists with --list, and fails at once if it couldn't install", () => {
    const calls = join(directory, "calls");
    program("apt-get", `echo "apt-get $*" >>"${calls}"`);
    program("apt-cache", "exit 0");
    program("cargo", "echo cargo 1.96.0");
    program("id", "echo 0");
    const asRoot = setup("guest", "--list");
    expect(asRoot.status).toBe(0);
    expect(asRoot.output).toMatch(/^setup: missing:\n[\s\S]*a guest kernel +by apt-get download /);
    program("id", "echo 1000");
    const asUser = setup("guest", "--list");
    expect(asUser.status).toBe(1);
    expect(asUser.output.trim().split("\n").at(-1)).toMatch(
      /^setup: installing packages needs root\. Run: sudo apt-get /,
    );
    expect(existsSync(calls)).toBe(false);
  });

  const terminal = findProgram("script");
  test.skipIf(terminal === undefined).each([
    ["no", "n\n", [], false],
    ["enter", "\n", [], true],
    ["--yes", "", ["--yes"], true],
  ] as const)(
    `on a terminal, asks before it installs: %s${terminal ? "" : " (skipped: no script)"}`,
    (_, typed, more, installs) => {
      const calls = join(directory, "calls");
      program("cargo", "echo cargo 1.96.0");
      program("id", "echo 0");
      program("apt-cache", "exit 0");
      program("apt-get", `echo "apt-get $*" >>"${calls}"; exit 1`);
      const env = { PATH: bin, HOME: directory, GUESTD_CACHE: join(directory, "cache"), SHELL: "/bin/sh" };
      const line = ["/bin/sh", `"${script}"`, "guest", ...more].join(" ");
      const { stdout } = spawnSync(terminal ?? "", ["-qec", line, "/dev/null"], {
        env,
        input: typed,
        encoding: "utf8",
      });
      expect(stdout.includes("setup: install it? [Y/n]")).toBe(more.length === 0);
      expect(stdout.includes("nothing was installed")).toBe(!installs);
      expect(existsSync(calls)).toBe(installs);
    },
  );

  test("waits for another set-up of the same cache, says for which, and looks again at what is missing", async () => {
    const [cache, hold] = [join(directory, "cache"), join(directory, "hold")];
    const calls = join(directory, "calls");
    for (const tool of ["flock", "sh"]) symlinkSync(findProgram(tool) ?? "", join(bin, tool));
    mkdirSync(cache);
    writeFileSync(join(cache, "setup.pid"), "4711\n");
    program("cargo", "echo cargo 1.96.0");
    program("id", "echo 0");
    program("apt-cache", "exit 0");
    program("apt-get", `echo "apt-get $*" >>"${calls}"; exit 1`);
    spawnSync("mkfifo", [hold]);
    const holder = spawn("flock", [join(cache, "setup.lock"), "sh", "-c", `echo; cat "${hold}"`], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    await once(holder.stdout, "data");
    const env = { PATH: bin, HOME: directory, GUESTD_CACHE: cache };
    const waiting = spawn("/bin/sh", [script, "guest"], { env, stdio: ["ignore", "pipe", "ignore"] });
    const ended = once(waiting, "exit");
    let output = "";
    waiting.stdout.on("data", (chunk: Buffer) => {
      output += chunk;
    });
    await expect.poll(() => output).toContain("another set-up is running (process 4711); waiting for its end");
    expect(existsSync(calls)).toBe(false);
    writeFileSync(hold, "");
    expect(await ended).toEqual([1, null]);
    expect(readFileSync(calls, "utf8")).toMatch(/^apt-get .*install/m);
    expect(output.match(/setup: missing:/g)).toHaveLength(2);
  });

  test("refuses an unknown argument", () => {
    expect(setup("dmeo")).toEqual({
      status: 2,
      output:
        'setup: unknown argument "dmeo"; use guest, demo, release or test, --list, --yes, --vsock-device, --virtiofsd, and --dev for the fuzzers\' compiler and strace\n',
    });
  });
});
