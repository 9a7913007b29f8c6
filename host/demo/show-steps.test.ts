import { expect, test } from "vitest";
import { runLines } from "./run-lines.ts";
import { type Step, StepError, showSteps } from "./show-steps.ts";

/** Runs steps without a terminal and returns their output, with times replaced. */
async function show(steps: readonly Step[]): Promise<string> {
  let text = "";
  const output = { isTTY: false, write: (chunk: string) => (text += chunk) } as unknown as NodeJS.WriteStream;
  try {
    await showSteps(steps, output);
  } catch (error) {
    text += String(error);
  }
  return text.replace(/\d+\.\d s/g, "N s");
}

test("without a terminal, shows each step as a title and lines", async () => {
  const first = { title: "first", run: async (say: (line: string) => void) => say("it says") };
  const second = { title: "second", run: async () => undefined };
  expect(await show([first, second])).toBe("1. first\n   it says\n   (N s)\n2. second\n   (N s)\n");
});

test("stops at a failed step and reports it with its title in one line", async () => {
  const fails = { title: "boot", run: () => Promise.reject(new Error("no kernel\n  trace")) };
  const never = { title: "never", run: () => Promise.reject(new Error("it ran")) };
  expect(await show([fails, never])).toBe("1. boot\nStepError: boot: no kernel");
  await expect(showSteps([fails], { isTTY: false, write: () => true } as never)).rejects.toBeInstanceOf(StepError);
});

test("passes on a program's output line by line", async () => {
  const lines: string[] = [];
  await runLines(["sh", "-c", "echo one; echo; echo two"], (line) => lines.push(line));
  expect(lines).toEqual(["one", "two"]);
});

test("reports a failed program by its last line, or by its status", async () => {
  await expect(runLines(["sh", "-c", "echo early >&2; echo why >&2; exit 3"], () => undefined)).rejects.toThrow("why");
  await expect(runLines(["sh", "-c", "exit 3"], () => undefined)).rejects.toThrow("sh ended with status 3");
  await expect(runLines(["/nonexistent/x"], () => undefined)).rejects.toThrow("ENOENT");
});
