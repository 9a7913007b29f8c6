import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { MemAgent, type MemAgentSettings } from "./mem-agent.ts";
import { defaultCompact, defaultMemcg } from "./settings.ts";
import { CALM, testGuest } from "./testing/test-guest.ts";

const FILES = {
  "/sys/kernel/mm/lru_gen/enabled": "0x0007\n",
  "/debug/lru_gen": "",
  "/proc/pagetypeinfo": "",
  "/proc/meminfo": "",
  "/proc/pressure/memory": CALM,
  "/proc/pressure/io": CALM,
};
const settings = { memcg: defaultMemcg, compact: defaultCompact };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("a disabled memory agent answers in the text that hosts know, reads nothing and runs no timer", async () => {
  const guest = testGuest({});
  const agent = new MemAgent(guest, { enabled: false, ...settings });
  expect(await agent.start()).toEqual([]);
  const refusal = { kind: "internal", message: "mem-agent is disabled" };
  await expect(agent.setMemcg({ disabled: true })).rejects.toMatchObject(refusal);
  await expect(agent.setCompact({})).rejects.toMatchObject(refusal);
  expect([guest.written, vi.getTimerCount()]).toEqual([[], 0]);
});

test("each part has its own timer while it is on", async () => {
  const saved: MemAgentSettings[] = [];
  const agent = new MemAgent(testGuest(FILES), { enabled: true, ...settings }, (now) => saved.push(now));
  expect(await agent.start()).toEqual([]);
  expect(vi.getTimerCount()).toBe(2);
  await agent.setMemcg({ disabled: true });
  expect(vi.getTimerCount()).toBe(1);
  await agent.setCompact({ disabled: true, compactOrder: 3 });
  expect(vi.getTimerCount()).toBe(0);
  expect(saved.at(-1)).toEqual({
    memcg: { ...defaultMemcg, disabled: true },
    compact: { ...defaultCompact, disabled: true, compactOrder: 3 },
  });
});

test("a part that the kernel doesn't support is reported at start, refused when enabled, and may stay off", async () => {
  const guest = testGuest(FILES);
  guest.files.delete("/sys/kernel/mm/lru_gen/enabled");
  const lacking = new MemAgent(guest, { enabled: true, ...settings });
  expect(await lacking.start()).toEqual([expect.stringContaining("this kernel has no MGLRU")]);
  await expect(lacking.setMemcg({ periodSecs: 5 })).rejects.toThrow("mem-agent is disabled: this kernel has no MGLRU");
  await lacking.setMemcg({ disabled: true });
  await lacking.setCompact({ periodSecs: 5 });
  lacking.close();
  expect(vi.getTimerCount()).toBe(0);
});

test("a number out of bounds changes nothing", async () => {
  const agent = new MemAgent(testGuest(FILES), { enabled: true, ...settings }, () => expect.fail("saved"));
  await expect(agent.setMemcg({ swap: true, periodSecs: 0 })).rejects.toMatchObject({ kind: "invalid-argument" });
  expect(vi.getTimerCount()).toBe(0);
});
