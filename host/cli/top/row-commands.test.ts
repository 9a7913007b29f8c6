import { expect, test } from "vitest";
import { temporaryDirectory } from "../../../image/testing/tree.ts";
import type { TreeRow } from "../../engine/tree/tree-rows.ts";
import { runGuestctl } from "../testing/run-guestctl.ts";
import { explainWords, killWords, logsWords, shellWords } from "./row-commands.ts";

const place = ["--address", "unix:///nowhere/agent.sock"];
/** Name that an agent gives to a container and an exec. */
const id = "--help";

test("an id that looks like an option is an id", async () => {
  using directory = temporaryDirectory();
  const row = { container: { id } } as TreeRow;
  const commands = [
    logsWords(row, place, 10),
    explainWords(id, place),
    shellWords(id, place),
    killWords(id, "", place),
    killWords(id, id, place),
  ];
  for (const words of commands) {
    const { code, stdout, stderr } = await runGuestctl(directory.path, words);
    expect({ words, code: code === 0, stdout }).toEqual({ words, code: false, stdout: "" });
    expect(stderr).toMatch(/^guestctl: .*(nowhere|TTY)/);
  }
});

test("the log of a guest's agent needs no container", () => {
  expect(logsWords({} as TreeRow, place, 10)).toEqual(["logs", "-f", ...place]);
});
