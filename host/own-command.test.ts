import { expect, onTestFinished, test } from "vitest";
import { ownArguments, ownCommand } from "./own-command.ts";

test("a command that runs again gets its own arguments, none of which is an option for Node", () => {
  const before = process.argv;
  onTestFinished(() => {
    process.argv = before;
  });
  const words = ["run", "-d", "image", "\\-", "a b", "-", "--", "--env-file=.env", ""];
  process.argv = ["node", "guestctl", ...words];
  const [execArgv, script, ...hidden] = ownCommand(words, ["--max-old-space-size=128"]);
  expect([execArgv, script]).toEqual(["--max-old-space-size=128", "guestctl"]);
  expect(hidden.filter((word) => word.startsWith("-"))).toEqual([]);
  process.argv = ["node", "guestctl", ...hidden];
  expect(ownArguments()).toEqual(words);
});
