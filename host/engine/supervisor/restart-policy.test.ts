import { expect, test } from "vitest";
import { restartPause, restartPolicy } from "./restart-policy.ts";
import { isRestarted } from "./restarts.ts";

test.each([
  ["no", 1, 0, false],
  ["always", 0, 100, true],
  ["on-failure", 0, 0, false],
  ["on-failure", 1, 100, true],
  ["on-failure:2", 255, 1, true],
  ["on-failure:2", 255, 2, false],
])("with %s, after exit code %i and %i restarts: %s", (text, code, restarts, again) => {
  expect(isRestarted(restartPolicy(text), code, restarts)).toBe(again);
});

test.each(["", "never", "always:1", "on-failure:", "on-failure:-1", "unless-stopped"])("refuses %j", (text) => {
  expect(() => restartPolicy(text)).toThrow("Expected no, always, on-failure or on-failure:COUNT.");
});

test("pauses double up to a minute, and begin anew after a run of ten seconds", () => {
  const pauses = [0];
  for (let run = 0; run < 11; run++) pauses.push(restartPause(pauses.at(-1) ?? 0, 10));
  expect(pauses.slice(1)).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000]);
  expect(restartPause(60_000, 10_000)).toBe(100);
});
