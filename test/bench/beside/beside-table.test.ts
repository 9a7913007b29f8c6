import { expect, test } from "vitest";
import { besideTable, type Measured } from "./beside-table.ts";
import { PodLife } from "./pod-life.ts";
import { WarmRounds } from "./warm-rounds.ts";

function measured(name: string, ms: number): Measured {
  const [life, warm] = [new PodLife(), new WarmRounds()];
  const { cpu, ...ofWarm } = warm;
  const all = [
    life.steps.values(),
    life.stepCpu.values(),
    [life.whole, life.cpu, life.dirtyMib],
    Object.values(ofWarm),
    Object.values(cpu),
  ];
  for (const samples of all.flatMap((each) => [...each])) samples.add(ms);
  return { name, life, warm };
}

test("the table has each row of both agents, and this one's median by the other's", () => {
  const rows = besideTable(measured("guestd", 3), measured("kata-agent", 2), 40).split("\n");
  expect(rows[0]).toMatch(/^ +kata-agent +guestd +ratio +aim +CPU *$/);
  expect(rows).toContainEqual(expect.stringMatching(/^second Check +2\.00 +3\.00 +1\.50 +≤ 1\.5 +2\.00 +3\.00$/));
  expect(rows).toContainEqual(expect.stringMatching(/^ReadStdout, 8 KiB, MB\/s +2\.00 +3\.00 +1\.50 +≥ 1\.2 *$/));
  expect(rows.filter((row) => row.includes("NaN"))).toEqual([]);
});
