import { expect, test } from "vitest";
import { Samples } from "../samples.ts";
import { programOf } from "./agent-initramfs.ts";
import { AgentRounds } from "./agent-rounds.ts";
import { agentsTable, type MeasuredGuest } from "./agents-table.ts";
import { bootOptions } from "./boot-options.ts";
import { guestMarks } from "./guest-marks.ts";

function measured(name: string, value: number): AgentRounds {
  const rounds = new AgentRounds(name, {});
  for (const samples of Object.values(rounds).filter((value) => value instanceof Samples)) samples.add(value);
  return rounds;
}

test("the table has the other agent's medians, and those of both of guestd's guests by them", () => {
  const archived = (name: string, value: number): MeasuredGuest => {
    return { rounds: measured(name, value), initramfs: { archive: Buffer.alloc(2 ** 20), unpacked: value * 2 ** 20 } };
  };
  const image = { rounds: measured("its image", 1.5) };
  const rows = agentsTable(archived("kata-agent", 2), archived("guestd", 3), image).split("\n");
  expect(rows[0]).toMatch(/^ +kata-agent +guestd +ratio +aim +its image +ratio +aim$/);
  expect(rows).toContainEqual(
    expect.stringMatching(/^first answer, s +2\.00 +3\.00 +1\.50 +≤ 1\.1 +1\.50 +0\.75 +≤ 0\.8$/),
  );
  expect(rows).toContainEqual(expect.stringMatching(/^ {2}unpacked, MiB +2\.00 +3\.00 +1\.50\s*$/));
  expect(rows.filter((row) => row.includes("NaN"))).toEqual([]);
});

test("the command line has another agent's program, and three rounds beside it", () => {
  expect(bootOptions(["--beside", "/kata-agent"])).toMatchObject({ beside: "/kata-agent", rounds: 3 });
  expect(bootOptions(["--json", "out"])).toMatchObject({ json: "out", rounds: 5 });
  expect(() => bootOptions(["--rounds", "0"])).toThrow("--rounds 0: use a whole number above 0");
  expect(() => bootOptions(["--beside", "/kata-agent", "--type", "microvm"])).toThrow(
    "--beside: it goes with --rounds",
  );
  expect(() => programOf("/nowhere/kata-agent")).toThrow("--beside /nowhere/kata-agent: no program is there");
  expect(() => programOf("/")).toThrow("--beside /: no program is there");
});

test("the times of a guest are those of guestd's log, or of the first stage of another agent", () => {
  const marks = { init: 1_000_000, agent: 1_500_000, loaded: 2_000_000, listening: 2_500_000 };
  expect(guestMarks(JSON.stringify({ msg: "listening", marks }))).toEqual({ init: 1, agent: 1.5, printed: 2.5 });
  expect(guestMarks("first stage: init 1000000 agent 1250000")).toEqual({ init: 1, agent: 1.25, printed: 1.25 });
  expect(guestMarks('{"msg":"announce"}')).toBeUndefined();
});
