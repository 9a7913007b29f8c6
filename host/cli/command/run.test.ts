import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { CliError } from "../cli-error.ts";
import { addRun, checkFlags, type RunFlags, runOptions } from "./run.ts";

/** What a command line of `run` comes to, without running it. */
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

test("options behind the image are the container's", () => {
  const { words, flags } = parse("-it", "-e", "A=1", "-eB=2", "image.tar", "ls", "-l", "--memory", "x");
  expect(words).toEqual(["image.tar", "ls", "-l", "--memory", "x"]);
  expect(flags).toEqual({ interactive: true, tty: true, env: ["A=1", "B=2"] });
});

test("the options become those of the spec", () => {
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

test("without words the image says what runs, and an empty entrypoint takes the image's away", () => {
  expect(runOptions([], {})).toEqual({ env: [], limits: {} });
  expect(runOptions(["true"], { entrypoint: "" })).toEqual({ env: [], args: ["true"], entrypoint: [], limits: {} });
});

test("a terminal has a size also where we have none", () => {
  const { terminal } = runOptions([], { tty: true });
  expect(terminal?.rows).toBeGreaterThan(0);
  expect(terminal?.columns).toBeGreaterThan(0);
});

describe("what means nothing is refused", () => {
  test.each<[string, string[], RunFlags, string]>([
    ["no image", [], {}, "which image?"],
    ["a guest and an address", ["i"], { guest: "a", address: "unix:///a" }, "only one of"],
    ["an address without a rootfs", ["i"], { address: "unix:///a" }, "belong together"],
    ["a rootfs without an address", ["i"], { rootfs: "/r" }, "belong together"],
    ["a rootfs and nothing to run", [], { address: "unix:///a", rootfs: "/r" }, "say what to run"],
    ["a network of a guest that runs", ["i"], { guest: "a", network: "user" }, "boot that one with them"],
    ["a terminal in the background", ["i"], { detach: true, tty: true }, "does not go with"],
    ["a folder for another's guest", ["i"], { address: "unix:///a", rootfs: "/r", volume: [] }, "-v needs a guest"],
    ["an address in the background", ["i"], { detach: true, address: "unix:///a", rootfs: "/r" }, "not --address"],
  ])("%s", (_, words, flags, message) => {
    expect(() => checkFlags(words, flags)).toThrow(CliError);
    expect(() => checkFlags(words, flags)).toThrow(message);
  });

  test("and what means something is not", () => {
    checkFlags(["image.tar"], {});
    checkFlags(["image.tar", "ls"], { guest: "a", detach: true });
    checkFlags(["ls"], { address: "unix:///a", rootfs: "/r", tty: true, interactive: true });
  });
});
