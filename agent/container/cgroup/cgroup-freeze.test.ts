import { beforeEach, expect, test } from "vitest";
import { createCgroup } from "./cgroup.ts";
import { isFrozen, setFrozen } from "./cgroup-freeze.ts";
import { FakeCgroups } from "./testing/test-cgroups.ts";

const EVENTS = "/cg/c1/cgroup.events";
let fake: FakeCgroups;
beforeEach(() => {
  fake = new FakeCgroups("");
  createCgroup(fake.files, "/cg", "/c1");
});

test("waits until the kernel reports that all processes are frozen", async () => {
  const freezing = setFrozen(fake.files, "/cg/c1", true);
  setTimeout(() => fake.texts.set(EVENTS, "populated 1\nfrozen 1\n"), 5);
  await freezing;
  expect(fake.texts.get(EVENTS)).toContain("frozen 1");
  expect(isFrozen(fake.files, "/cg/c1")).toBe(true);
});

test("thaws a cgroup that did not freeze in time", async () => {
  await expect(setFrozen(fake.files, "/cg/c1", true, undefined, 20)).rejects.toThrow(
    "freeze cgroup /cg/c1: the kernel did not finish within 20 ms",
  );
  expect(isFrozen(fake.files, "/cg/c1")).toBe(false);
});

test("thaws a cgroup whose caller aborts, and rejects with the caller's reason", async () => {
  const giveUp = new AbortController();
  const freezing = setFrozen(fake.files, "/cg/c1", true, giveUp.signal);
  giveUp.abort(new Error("the host hung up"));
  await expect(freezing).rejects.toThrow("the host hung up");
  expect(isFrozen(fake.files, "/cg/c1")).toBe(false);
});

test("fails for a removed cgroup, which counts as not frozen", async () => {
  await expect(setFrozen(fake.files, "/cg/none", true)).rejects.toThrow("write /cg/none/cgroup.freeze: ENOENT");
  expect(isFrozen(fake.files, "/cg/none")).toBe(false);
});

test("reports a cgroup that does not thaw in time", async () => {
  fake.texts.set(EVENTS, "populated 1\nfrozen 1\n");
  const thawing = setFrozen(fake.files, "/cg/c1", false, undefined, 20);
  await expect(thawing).rejects.toMatchObject({
    message: "thaw cgroup /cg/c1: the kernel did not finish within 20 ms",
    kind: "internal",
  });
  expect(fake.log.at(-1)).toBe("/cg/c1/cgroup.freeze 0");
  expect(fake.log.filter((line) => line.includes("cgroup.freeze"))).toHaveLength(1);
});

test("fails if the kernel no longer reports the state, and passes on other errors", async () => {
  fake.texts.delete(EVENTS);
  await expect(setFrozen(fake.files, "/cg/c1", true)).rejects.toThrow("ENOENT");
  expect(isFrozen(fake.files, "/cg/c1")).toBe(false);
  const broken = {
    ...fake.files,
    writeText: () => {
      throw new TypeError("wrong argument");
    },
  };
  await expect(setFrozen(broken, "/cg/c1", true)).rejects.toThrow(new TypeError("wrong argument"));
});
