import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { onlineCpus } from "./online-cpus.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "guestd-cpus-"));
  for (const name of ["cpu0", "cpufreq", "cpuidle"]) mkdirSync(join(directory, name));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

const plugIn = (index: number, online = "0\n") => {
  mkdirSync(join(directory, `cpu${index}`));
  writeFileSync(join(directory, `cpu${index}/online`), online);
};
const state = (index: number) => readFileSync(join(directory, `cpu${index}/online`), "utf8").trim();
const online = (count: number, wait = true, parts: object = {}) => onlineCpus({ count, wait, ...parts }, directory);

test.each([
  ["that many more", 2],
  ["that many in total", 3],
])("brings all plugged-in processors online, requested as %s", async (_, count) => {
  plugIn(1);
  plugIn(2);
  await online(count);
  expect([state(1), state(2)]).toEqual(["1", "1"]);
});

test("does nothing if none is requested", async () => {
  plugIn(1);
  await online(0);
  expect(state(1)).toBe("0");
});

test("waits for a processor that appears late", async () => {
  const done = online(1);
  await sleep(120);
  plugIn(1);
  await done;
  expect(state(1)).toBe("1");
});

test("answers a call without `wait` at once and warns later about missing processors", async () => {
  const warn = vi.fn();
  await online(3, false, { warn });
  expect(warn).not.toHaveBeenCalled();
  plugIn(1);
  await expect.poll(() => warn).toHaveBeenCalledOnce();
  expect(warn.mock.calls[0]?.[0]).toBe(
    "online processors: 3 requested, 1 brought online within 5 s, 2 online in total",
  );
  expect(state(1)).toBe("1");
});

test("answers a call without `wait` without a warning if the requested total is online", async () => {
  plugIn(1, "1\n");
  const warn = vi.fn();
  await online(2, false, { warn });
  await sleep(300);
  expect(warn).not.toHaveBeenCalled();
});

test("stops waiting when its signal aborts", async () => {
  await expect(online(1, true, { signal: AbortSignal.timeout(60) })).rejects.toThrow("aborted");
});
