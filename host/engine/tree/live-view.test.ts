import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { StateStore } from "../record/state-store.ts";
import { LiveView } from "./live-view.ts";

function openStore(): StateStore {
  const directory = mkdtempSync(join(tmpdir(), "live-view-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return new StateStore(join(directory, "guestd-0"));
}

/** Records a guest at whose address no agent listens. */
function record(store: StateStore, name: string, bootedAt = "2026-11-28T00:00:00.000Z"): void {
  if (store.owner(name) === undefined) store.claim(name);
  const address = `unix://${store.directory(name)}/agent.sock`;
  const rest = { folder: "/nowhere", accelerator: "tcg", memoryMib: 512, timeline: { listening: 1, check: 2 } };
  store.writeGuest({ name, address, logAddress: address, cpus: 3, bootedAt, ...rest });
}

function openView(store: StateStore, options: ConstructorParameters<typeof LiveView>[1] = {}): LiveView {
  const view = new LiveView(store, options);
  onTestFinished(() => view.close());
  return view;
}

test("guests appear with their records and disappear with them, and an agent that is away is lost with the reason", async () => {
  const store = openStore();
  record(store, "alpha");
  const view = openView(store);
  const names = () => view.guests().map(({ name }) => name);
  expect(names()).toEqual(["alpha"]);
  let changes = 0;
  const unsubscribe = view.onChange(() => changes++);
  record(store, "beta");
  await expect.poll(names, { interval: 10 }).toEqual(["alpha", "beta"]);
  await expect.poll(() => view.isSettled).toBe(true);
  expect(view.guests()[0]).toMatchObject({ link: "lost", reason: expect.stringContaining("ENOENT"), cpus: 3 });
  store.removeGuest("alpha");
  await expect.poll(names, { interval: 10 }).toEqual(["beta"]);
  expect(changes).toBeGreaterThan(2);
  unsubscribe();
  view.close();
  expect(names()).toEqual([]);
});

test("another guest of the same name replaces the first one, and a view of one guest shows no other", async () => {
  const store = openStore();
  record(store, "alpha");
  record(store, "beta");
  const view = openView(store, { guest: "alpha" });
  expect(view.guests().map(({ name }) => name)).toEqual(["alpha"]);
  const before = view.target("alpha");
  record(store, "alpha", "2026-11-28T01:00:00.000Z");
  await expect.poll(() => view.target("alpha") !== before, { interval: 10 }).toBe(true);
});
