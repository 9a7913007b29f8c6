import { expect, test } from "vitest";
import { CopyDeaths } from "./copy-deaths.ts";

const REFUSED = "copy: agents have ended while they made it, and it got no further; copy its parts one by one";

/** Agents one after the other, with the file that outlives them. Each starts when the one before ends. */
function agents() {
  let text: string | undefined;
  const files = {
    exists: () => text !== undefined,
    readText: () => text ?? "",
    replace: (_: string, written: string) => {
      text = written;
    },
  };
  return { start: (ms: number) => new CopyDeaths("copies.json", files, ms), files, set: (to: string) => (text = to) };
}

test.each([
  [1000, 4],
  [9000, 2],
])("a copy of which each agent ends after %i ms ends %i of them", (ms, count) => {
  const { start } = agents();
  for (let ended = 0; ended < count; ended++) start(ended * ms).begin("copy", "place", ended * ms);
  const last = start(count * ms);
  expect(() => last.begin("copy", "place", count * ms)).toThrow(REFUSED);
  expect(() => last.begin("copy", "place", count * ms)).toThrow(REFUSED);
  expect(() => last.begin("other", "place", count * ms)).not.toThrow();
});

test("a copy that gets further is never refused, however many agents end", () => {
  const { start } = agents();
  for (let ended = 0; ended < 100; ended++) start(ended * 9000).begin("copy", `place ${ended}`, ended * 9000);
});

test("a copy without a connection isn't held responsible for an agent's end", () => {
  const { start } = agents();
  for (let ended = 0; ended < 100; ended++) {
    const deaths = start(ended * 9000);
    deaths.begin("copy", "place", ended * 9000);
    deaths.end("copy", false);
  }
});

test("a lost connection doesn't make ended agents forgotten, and the copy's end does", () => {
  const { start } = agents();
  start(0).begin("copy", "place", 0);
  const second = start(9000);
  second.begin("copy", "place", 9000);
  second.end("copy", false);
  second.begin("copy", "place", 9500);
  const third = start(20_000);
  expect(() => third.begin("copy", "place", 20_000)).toThrow(REFUSED);
  third.end("copy", true);
  expect(() => third.begin("copy", "place", 20_000)).toThrow(REFUSED);
  third.begin("copy", "another place", 20_000);
  third.end("copy", true);
  third.begin("copy", "place", 20_000);
});

test("64 copies are remembered, and a file that can't be read or written is none", () => {
  const { start, files, set } = agents();
  const first = start(0);
  for (let at = 0; at < 65; at++) first.begin(`copy-${at}`, "place", 0);
  expect(Object.keys(JSON.parse(files.readText()))).toHaveLength(64);
  set("{");
  expect(() => start(9000).begin("copy-64", "place", 9000)).not.toThrow();
  const full = { ...files, exists: () => false, replace: () => expect.fail("full") };
  expect(() => new CopyDeaths("copies.json", full).begin("copy", "place")).not.toThrow();
});
