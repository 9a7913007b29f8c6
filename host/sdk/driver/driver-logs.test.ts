import { expect, test } from "vitest";
import { playLogAgent } from "../../engine/container/testing/play-log-agent.ts";
import { containerLog } from "./driver-logs.ts";

test("yields lines, whose characters are whole wherever the agent cuts them", async () => {
  const bytes = Buffer.from("one\ntw\u20ac\n\nlast");
  const pieces = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
  const { address } = await playLogAgent(pieces.values(), bytes.length);
  const chunks = await Array.fromAsync(containerLog({ address, container: "web" }, {}, AbortSignal.timeout(50_000)));
  expect(chunks.every(({ stream, isGap }) => stream === "stdout" && !isGap)).toBe(true);
  expect(chunks.map(({ text }) => text).join("")).toBe(bytes.toString());
  expect(chunks.filter(({ text }) => /\n./s.test(text))).toEqual([]);
});

test("yields many lines one by one", async () => {
  const bytes = Buffer.from("x\n".repeat(1000));
  const { address } = await playLogAgent([bytes].values(), bytes.length);
  const chunks = await Array.fromAsync(containerLog({ address, container: "web" }, {}, AbortSignal.timeout(50_000)));
  expect(chunks).toEqual(Array(1000).fill({ stream: "stdout", text: "x\n", isGap: false }));
});
