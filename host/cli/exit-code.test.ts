import { CommanderError } from "commander";
import { expect, test } from "vitest";
import { answeredError, RpcError } from "../client/rpc-error.ts";
import { CliError } from "./cli-error.ts";
import { exitCodeOf } from "./exit-code.ts";

test.each<[string, string, Error, number]>([
  ["returns 125 for a failure of run", "run", new CliError("no"), 125],
  ["returns 1 for a failure of another command", "ps", new CliError("no"), 1],
  ["returns 125 for an unknown option of run", "run", new CommanderError(1, "commander.unknownOption", "no"), 125],
  [
    "returns 1 for an unknown option of another command",
    "kill",
    new CommanderError(1, "commander.unknownOption", "no"),
    1,
  ],
  [
    "returns 2 for wrong usage of conformance",
    "conformance",
    new CommanderError(1, "commander.unknownOption", "no"),
    2,
  ],
  ["returns 0 for help", "run", new CommanderError(0, "commander.helpDisplayed", ""), 0],
  ["returns the error's own exit code", "run", new CliError("no", { exitCode: 137 }), 137],
  ["returns 125 for any other failed call", "exec", new RpcError("unavailable", "ttrpc: closed"), 125],
  [
    "returns 127 for a program that does not exist",
    "run",
    answeredError(13, 'exec "a": executable file not found'),
    127,
  ],
  [
    "returns 126 for a program that can't be executed",
    "exec",
    answeredError(13, 'exec "/etc": not executable, EACCES'),
    126,
  ],
  [
    "returns 127 for a program whose interpreter does not exist",
    "run",
    answeredError(13, "execve a: ENOENT (no such file or directory), from process.args"),
    127,
  ],
  [
    "returns 126 for a program of another architecture",
    "run",
    answeredError(13, "execve a: ENOEXEC (exec format error), from process.args"),
    126,
  ],
])("%s", (_, command, error, code) => {
  expect(exitCodeOf(error, command)).toBe(code);
});
