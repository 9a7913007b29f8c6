import { Command } from "commander";
import { expect, test } from "vitest";
import { addRun } from "../command/run.ts";
import type { RunFlags } from "./run-flags.ts";
import { checkCloneFlags, checkUnusedFlags } from "./unused-flags.ts";

const program = new Command().enablePositionalOptions();
addRun(program);
/** Options of `run`, by the name of their flag. */
const OPTIONS = new Map(program.commands[0]?.options.map((option) => [option.attributeName(), option.long ?? ""]));

/** Returns the options that a check refuses, each alone, by their names in its message. */
function refused(check: (flags: RunFlags) => void, mode: RunFlags): string[] {
  return [...OPTIONS].flatMap(([name, long]) => {
    if (name in mode) return [];
    try {
      check({ ...mode, [name]: true });
      return [];
    } catch (error) {
      expect(error).toHaveProperty(
        "message",
        expect.stringContaining(name === "detach" ? "boot -d" : `run: ${long}: `),
      );
      return [long];
    }
  });
}

const OF_GUEST = ["--network", "--publish", "--vm-image", "--vm-memory", "--vm-cpus", "--agent", "--kernel-args"];
const OF_IMAGE = ["--image-name", "--pull", "--plain-http"];

test.each<[string, RunFlags, string[]]>([
  ["a guest of its own", {}, []],
  ["a running guest", { guest: "a" }, [...OF_GUEST, "--verbose"]],
  ["an agent", { address: "unix:///a", rootfs: "/r" }, [...OF_IMAGE, ...OF_GUEST, "--verbose"]],
  ["the guest's own root", { guestRoot: true }, OF_IMAGE],
])("a container in %s refuses the options that would have no effect", (_, mode, options) => {
  const known = mode.guest === undefined ? mode : { ...mode, guestRoot: undefined };
  expect(refused(checkUnusedFlags, known as RunFlags).sort()).toEqual([...options].sort());
});

test("a command in a template's container has no option of a container", () => {
  const accepted = ["--template", "--name", "--rm", "--verbose"];
  const process = ["--interactive", "--tty", "--env", "--env-file", "--workdir", "--user"];
  const check = (flags: RunFlags) => checkCloneFlags("box", flags);
  expect(OPTIONS.size).toBeGreaterThan(50);
  expect(refused(check, { template: "box" }).sort()).toEqual(
    [...OPTIONS.values()].filter((long) => ![...accepted, ...process].includes(long)).sort(),
  );
  expect(() => check({ init: true, hostname: "web" })).toThrow(
    "run: --init, --hostname: the container of template box exists already; leave them out, or run another container in a guest of guestctl boot --template box",
  );
});
