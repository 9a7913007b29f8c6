import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { CliError } from "../cli-error.ts";
import { programFor } from "../program.ts";

/** Runs the command and returns its error. */
async function failureOf(...args: string[]): Promise<CliError> {
  try {
    await (await programFor(["conformance"])).parseAsync(["conformance", ...args], { from: "user" });
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error("the command line was accepted");
}

function file(content: string): string {
  const folder = mkdtempSync(join(tmpdir(), "conformance-command-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "settings.yaml");
  writeFileSync(path, content);
  return path;
}

describe("wrong usage is one line with the exit code 2:", () => {
  test.each([
    [[], "conformance: give exactly one of ADDRESS, --start and --guest"],
    [["unix:///a.sock", "--guest"], "conformance: give exactly one of ADDRESS, --start and --guest"],
    [["--start", "my-agent"], "--start: the command has no {address}, the path of the socket to serve"],
    [["--against", "unix:///a.sock"], "--against: give it twice, without ADDRESS, --start and --guest"],
    [["--against", "unix:///a.sock", "--against", "tcp://b", "--guest"], "--against: give it twice, without ADDRESS"],
    [["tcp://1.2.3.4:5"], "address tcp://1.2.3.4:5: not one of"],
    [["unix:///a.sock", "--levels", "could"], "--levels: expected some of must, should, may"],
    [["unix:///a.sock", "--config", "/none.yaml"], "/none.yaml: ENOENT"],
    [["unix:///a.sock", "--known-failures", "/none.yaml"], "known failures /none.yaml: ENOENT"],
  ])("%j", async (args, text) => {
    const error = await failureOf(...args);
    expect(error.message).toContain(text);
    expect(error.message).not.toContain("\n");
    expect(error.exitCode).toBe(2);
  });

  test("an unknown setting of a file", async () => {
    const error = await failureOf("unix:///a.sock", "--config", file("colour: red\n"));
    expect([error.message, error.exitCode]).toEqual([
      expect.stringMatching(/settings\.yaml: colour: unknown setting/),
      2,
    ]);
  });
});
