import { CommanderError } from "commander";
import { expect, test, vi } from "vitest";
import { createProgram } from "./program.ts";

/** What a wrong command line gets: the text on stderr and the exit code. */
async function refuse(...line: string[]): Promise<{ text: string; code: number }> {
  const write = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
  try {
    await createProgram().parseAsync(line, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { text: write.mock.calls.map(([chunk]) => String(chunk)).join(""), code: error.exitCode };
  } finally {
    write.mockRestore();
  }
  throw new Error("it was not refused");
}

test("there is one command for each thing that can be done", () => {
  const names = createProgram().commands.map((command) => command.name());
  expect(names).toEqual([
    "run",
    "exec",
    "cp",
    "ps",
    "inspect",
    "stats",
    "metrics",
    "logs",
    "explain",
    "wait",
    "kill",
    "pause",
    "unpause",
    "update",
    "rm",
    "boot",
    "stop",
    "upgrade",
    "agent",
    "image",
  ]);
});

test.each([
  [["metrix"], "guestctl: unknown command 'metrix' (Did you mean metrics?)\n"],
  [["run", "--memori", "1"], "guestctl: unknown option '--memori' (Did you mean --memory?)\n"],
  [["wait"], "guestctl: missing required argument 'containers'\n"],
  [
    ["kill", "-s", "NOPE", "web"],
    "guestctl: option '-s, --signal <signal>' argument 'NOPE' is invalid. It is neither a signal's name nor a number from 1 to 64.\n",
  ],
])("a wrong command line %j gets one line", async (line, text) => {
  expect(await refuse(...line)).toEqual({ text, code: 1 });
});

test("every command explains itself", () => {
  for (const command of createProgram().commands) {
    expect(command.summary(), command.name()).not.toBe("");
    expect(command.description(), command.name()).toMatch(/\.$/);
    for (const option of command.options) expect(option.description, `${command.name()} ${option.flags}`).not.toBe("");
  }
});
