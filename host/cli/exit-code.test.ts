import { CommanderError } from "commander";
import { expect, test } from "vitest";
import { RpcError } from "../client/rpc-error.ts";
import { CliError } from "./cli-error.ts";
import { exitCodeOf } from "./exit-code.ts";

test.each<[string, string, Error, number]>([
  ["a failure of run is 125", "run", new CliError("no"), 125],
  ["a failure of another command is 1", "ps", new CliError("no"), 1],
  ["a wrong option of run is 125", "run", new CommanderError(1, "commander.unknownOption", "no"), 125],
  ["a wrong option of another command is 1", "kill", new CommanderError(1, "commander.unknownOption", "no"), 1],
  ["help is 0", "run", new CommanderError(0, "commander.helpDisplayed", ""), 0],
  ["an error may bring its own", "run", new CliError("no", { exitCode: 137 }), 137],
  ["another failed call is 125", "exec", new RpcError("unavailable", "ttrpc: closed"), 125],
  ["a program that is not there is 127", "run", new RpcError("internal", 'exec "a": executable file not found'), 127],
  ["one that can't be executed is 126", "exec", new RpcError("internal", 'exec "/etc": not executable, EACCES'), 126],
  [
    "one whose interpreter is not there is 127",
    "run",
    new RpcError("internal", "execve a: ENOENT (no such file or directory), from process.args"),
    127,
  ],
  [
    "one of another machine is 126",
    "run",
    new RpcError("internal", "execve a: ENOEXEC (exec format error), from process.args"),
    126,
  ],
])("%s", (_, command, error, code) => {
  expect(exitCodeOf(error, command)).toBe(code);
});
