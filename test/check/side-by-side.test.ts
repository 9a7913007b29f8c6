import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { type Check, sideBySide } from "./side-by-side.ts";

const shell = (name: string, line: string): Check => ({ name, command: ["sh", "-c", line] });

async function run(checks: readonly Check[], atOnce: number) {
  let text = "";
  const failed = await sideBySide(checks, atOnce, (part) => (text += part));
  return { failed, text };
}

describe("checks side by side", () => {
  let directory = "";
  beforeEach(() => {
    directory = makeWorkDirectory("check");
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it("show the whole output of each below its name, and name each one that failed", async () => {
    const checks: readonly Check[] = [
      shell("both", "echo out; echo error >&2; exit 3"),
      shell("quiet", "true"),
      shell("warns", "echo warning"),
      shell("killed", "echo said; kill -9 $$"),
      { name: "missing", command: ["/no/such/program"] },
    ];
    const { failed, text } = await run(checks, 1);
    expect(failed).toEqual(["both", "killed", "missing"]);
    const missing = "missing:\nError: spawn /no/such/program ENOENT\n";
    // Of two pipes, either may be read first.
    const ordered = text.replace("error\nout\n", "out\nerror\n");
    expect(ordered).toBe(`both:\nout\nerror\nwarns:\nwarning\nkilled:\nsaid\n${missing}`);
  });

  it("run at the same time, and write nothing in the middle of another's output", async () => {
    const [one, other] = [join(directory, "one"), join(directory, "other")];
    execFileSync("mkfifo", [one, other]);
    // Each ends only with the other's help.
    const checks = [
      shell("first", `echo begun; echo x > ${one}; read x < ${other}; echo ended`),
      shell("second", `echo begun; read x < ${one}; echo x > ${other}; echo ended`),
    ];
    const { failed, text } = await run(checks, 2);
    expect(failed).toEqual([]);
    const [first, second] = ["first:\nbegun\nended\n", "second:\nbegun\nended\n"];
    expect([first + second, second + first]).toContain(text);
  });
});
