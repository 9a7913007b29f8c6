import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { parseLine } from "../new-program.ts";
import { createProgram, programFor } from "../program.ts";
import { COMMAND_OPTIONS } from "./command-options.ts";
import { DOCKER_COMMANDS } from "./docker-commands.ts";

const commandOf = async (name: string): Promise<Command> =>
  (await createProgram()).commands.find((command) => command.name() === name) ?? expect.fail(`no command ${name}`);

/** Returns what a command line prints to stderr as a wrong usage. */
async function complaint(...words: string[]): Promise<string> {
  const program = await programFor(words);
  let printed = "";
  const catching = (command: Command) =>
    command.configureOutput({
      writeErr: (text) => {
        printed += text;
      },
    });
  for (const command of [program, ...program.commands]) catching(command);
  await expect(parseLine(program, words)).rejects.toThrow();
  return printed;
}

describe("docker's words", () => {
  it("name a command of guestctl, or are refused with what to use instead", async () => {
    const own = (await createProgram()).commands.map((command) => command.name());
    for (const [name, support] of Object.entries(DOCKER_COMMANDS)) {
      expect(own.includes(name), name).toBe(support.isSupported);
      if (support.isSupported) continue;
      expect(await complaint(name, "--help")).toBe(`guestctl: ${name}: not supported; ${support.instead}\n`);
    }
  });

  it.each(Object.entries(COMMAND_OPTIONS))("of %s name an option, or are refused", async (name, table) => {
    const { options } = await commandOf(name);
    for (const [key, support] of Object.entries(table)) {
      const words = key.split(", ");
      const long = words.at(-1);
      const other = support.isSupported ? /`(--[a-z-]+)/.exec(support.as ?? "")?.[1] : undefined;
      const isOwn = long === "--help" || options.some((each) => [long, other].includes(each.long));
      expect(isOwn, `${name} ${key}`).toBe(support.isSupported);
      const isShort = words.length === 1 || options.some(({ short }) => short === words[0]);
      expect(isShort || key === "-h, --hostname", `${name} ${key}`).toBe(support.isSupported || words.length === 1);
      if (support.isSupported) continue;
      for (const word of words) {
        const line = `guestctl: ${name}: ${word}: not supported; ${support.instead}\n`;
        expect(await complaint(name, word, "x"), `${name} ${word}`).toBe(line);
      }
    }
  });

  it("of a group that guestctl has are refused with what to use instead", async () => {
    expect(await complaint("container", "ls")).toMatch(/^guestctl: container ls: not supported; leave the word out/);
    expect(await complaint("image", "pull")).toMatch(/^guestctl: image pull: not supported; containers' images are /);
    expect(await complaint("image", "bild")).toMatch(/^guestctl: unknown command 'bild'/);
  });

  it("of other commands and unknown ones are refused as before", async () => {
    expect(await complaint("run", "--nothing")).toMatch(/^guestctl: unknown option '--nothing'/);
    expect(await complaint("run", "--volumes-from=web", "x")).toMatch(
      /^guestctl: run: --volumes-from: not supported; /,
    );
    expect(await complaint("nothing")).toMatch(/^guestctl: unknown command 'nothing'/);
  });
});
