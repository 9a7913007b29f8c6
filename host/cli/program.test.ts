import { CommanderError } from "commander";
import { expect, test, vi } from "vitest";
import { parseLine } from "./new-program.ts";
import { createProgram, programFor } from "./program.ts";

/** Returns the text on stderr and the exit code for an invalid command line. */
async function failureOf(...line: string[]): Promise<{ text: string; code: number }> {
  const write = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
  try {
    await parseLine(await programFor(line), line);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { text: write.mock.calls.map(([chunk]) => String(chunk)).join(""), code: error.exitCode };
  } finally {
    write.mockRestore();
  }
  throw new Error("the command line was accepted");
}

test("guestctl has exactly these commands", async () => {
  const names = (await createProgram()).commands.map((command) => command.name());
  expect(names).toEqual([
    "run",
    "exec",
    "attach",
    "debug",
    "capture",
    "cp",
    "export",
    "forward",
    "ssh-proxy",
    "ports",
    "ps",
    "inspect",
    "stats",
    "top",
    "serve",
    "metrics",
    "traces",
    "logs",
    "events",
    "audit",
    "cores",
    "explain",
    "wait",
    "kill",
    "pause",
    "unpause",
    "update",
    "rm",
    "start",
    "restart",
    "boot",
    "template",
    "snapshot",
    "fork",
    "stop",
    "upgrade",
    "agent",
    "record",
    "replay",
    "chaos",
    "conformance",
    "mcp",
    "pull",
    "images",
    "rmi",
    "tag",
    "save",
    "load",
    "volume",
    "container",
    "system",
    "image",
    "setup",
    "doctor",
    "completion",
    "__supervise",
    "__restart",
    "__complete",
  ]);
});

test.each([
  [["metrix"], "guestctl: unknown command 'metrix' (Did you mean metrics?)\n"],
  [["metrix", "--help"], "guestctl: unknown command 'metrix' (Did you mean metrics?)\n"],
  [["run", "--memori", "1"], "guestctl: unknown option '--memori' (Did you mean --memory?)\n"],
  [["wait"], "guestctl: missing required argument 'containers'\n"],
  [
    ["kill", "-s", "NOPE", "web"],
    "guestctl: option '-s, --signal <signal>' argument 'NOPE' is invalid. Expected a signal's name or a number from 1 to 64.\n",
  ],
])("reports the invalid command line %j in one line", async (line, text) => {
  expect(await failureOf(...line)).toEqual({ text, code: 1 });
});

test("only the command that the words name is loaded, also by its alias and for help", async () => {
  const loaded = async (...words: string[]) =>
    (await programFor(words)).commands
      .filter((command) => command.description() !== "")
      .map((command) => command.name());
  expect(await loaded("ps", "-a")).toEqual(["ps"]);
  expect(await loaded("resume", "web")).toEqual(["unpause"]);
  expect(await loaded("help", "exec")).toEqual(["exec"]);
  for (const words of [[], ["--help"], ["nothing"], ["constructor"]]) expect(await loaded(...words)).toEqual([]);
});

test("every command has a summary, a description and described options", async () => {
  for (const command of (await createProgram()).commands) {
    expect(command.summary(), command.name()).not.toBe("");
    expect(command.description(), command.name()).toMatch(/\.$/);
    for (const option of command.options) expect(option.description, `${command.name()} ${option.flags}`).not.toBe("");
  }
});
