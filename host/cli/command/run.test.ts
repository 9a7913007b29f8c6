import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { CliError } from "../cli-error.ts";
import { type RunFlags, runOptions } from "../flags/run-flags.ts";
import { addRun, checkFlags } from "./run.ts";

/** Parses a command line of `run` without running it. */
function parse(...line: string[]): { words: string[]; flags: RunFlags } {
  const program = new Command().enablePositionalOptions().exitOverride();
  addRun(program);
  let seen: { words: string[]; flags: RunFlags } | undefined;
  program.commands[0]?.action((words: string[], flags: RunFlags) => {
    seen = { words, flags };
  });
  program.parse(["run", ...line], { from: "user" });
  if (seen === undefined) throw new Error("run was not called");
  return seen;
}

test("passes options after the image to the container", () => {
  const { words, flags } = parse("-it", "-e", "A=1", "-eB=2", "image.tar", "ls", "-l", "--memory", "x");
  expect(words).toEqual(["image.tar", "ls", "-l", "--memory", "x"]);
  expect(flags).toEqual({ interactive: true, tty: true, env: ["A=1", "B=2"] });
});

test("maps flags to options of the spec", () => {
  const { flags } = parse(
    ...["-e", "A=1", "-w", "/tmp", "-u", "nobody", "--memory", "64m", "--cpus", "1.5", "--pids", "20", "--read-only"],
    ...["--entrypoint", "/bin/sh", "image.tar"],
  );
  expect(runOptions(["-c", "true"], flags)).toEqual({
    env: ["A=1"],
    cwd: "/tmp",
    user: "nobody",
    args: ["-c", "true"],
    entrypoint: ["/bin/sh"],
    readonlyRoot: true,
    limits: { memory: 64 * 2 ** 20, cpus: 1.5, pids: 20 },
  });
});

test("runs the image's command by default, and an empty entrypoint removes the image's", () => {
  expect(runOptions([], {})).toEqual({ env: [], limits: {} });
  expect(runOptions(["true"], { entrypoint: "" })).toEqual({ env: [], args: ["true"], entrypoint: [], limits: {} });
});

test("gives a terminal a size even without a local terminal", () => {
  const { terminal } = runOptions([], { tty: true });
  expect(terminal?.rows).toBeGreaterThan(0);
  expect(terminal?.columns).toBeGreaterThan(0);
});

describe("refuses invalid combinations:", () => {
  test.each<[string, string[], RunFlags, string]>([
    ["no image", [], {}, "no image given"],
    ["a guest and an address", ["i"], { guest: "a", address: "unix:///a" }, "only one of"],
    ["an address without a rootfs", ["i"], { address: "unix:///a" }, "need each other"],
    ["a rootfs without an address", ["i"], { rootfs: "/r" }, "need each other"],
    ["a rootfs and nothing to run", [], { address: "unix:///a", rootfs: "/r" }, "no command given"],
    ["a bound for a root in a share", ["i"], { rootfs: "share", storageOpt: 2 ** 30 }, "bounds a root on disks"],
    ["a bound for the guest's own root", ["ls"], { guest: "a", guestRoot: true, storageOpt: 2 ** 30 }, "root on disks"],
    ["a network for a running guest", ["i"], { guest: "a", network: "user" }, "only while booting a guest"],
    ["a terminal in the background", ["i"], { detach: true, tty: true }, "can't be combined with"],
    [
      "a volume for an unknown agent",
      ["i"],
      { address: "unix:///a", rootfs: "/r", volume: [{ host: "/h", guest: "/g", mode: "ro" }] },
      "-v needs a guest",
    ],
    ["a restart in the foreground", ["i"], { restart: { when: "always" } }, "--restart needs --detach"],
    [
      "a restart and --rm",
      ["i"],
      { detach: true, rm: true, restart: { when: "always" } },
      "can't be combined with --rm",
    ],
    ["an address in the background", ["i"], { detach: true, address: "unix:///a", rootfs: "/r" }, "not --address"],
  ])("%s", (_, words, flags, message) => {
    expect(() => checkFlags(words, flags)).toThrow(CliError);
    expect(() => checkFlags(words, flags)).toThrow(message);
  });

  test("accepts valid combinations", () => {
    checkFlags(["image.tar"], {});
    checkFlags(["image.tar"], { volume: [{ host: "/h", guest: "/g", mode: "ro" }], storageOpt: 2 ** 30 });
    checkFlags(["image.tar", "ls"], { guest: "a", detach: true });
    checkFlags(["ls"], { address: "unix:///a", rootfs: "/r", tty: true, interactive: true });
  });
});
