import { expect, test } from "vitest";
import { resultText } from "./replay.ts";

test("prints a line for each difference, without control characters, and a summary", () => {
  const place = { conn: 1, method: "WaitProcess", results: { recorded: "", actual: "" } };
  const differences = [
    { ...place, line: 7, stream: 5, field: "WaitProcess.status", recorded: 3, actual: undefined },
    { ...place, line: 9, stream: 7, field: "ReadStdout.data, byte 2", recorded: "a\u001b[2J", actual: "b".repeat(400) },
  ];
  expect(resultText({ calls: 12, skipped: 1, differences })).toBe(
    [
      "line 7, stream 5: WaitProcess.status: recorded 3, now absent",
      `line 9, stream 7: ReadStdout.data, byte 2: recorded "a\\u001b[2J", now "${"b".repeat(299)} …`,
      "12 calls, 2 differ, 1 lines can't be replayed",
      "",
    ].join("\n"),
  );
  expect(resultText({ calls: 12, skipped: 0, differences: [] })).toBe("12 calls, no difference\n");
});
