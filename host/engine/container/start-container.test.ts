import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { AgentClient } from "../../client/agent-client.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { StateStore } from "../record/state-store.ts";
import { findLost } from "../supervisor/find-lost.ts";
import type { PreparedRun } from "./prepare-run.ts";
import { isLeftBegun, startContainer } from "./start-container.ts";

const NEW = { id: "web", image: "busybox", options: { args: ["sh"] } } as const;
let directory: string;
let store: StateStore;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "start-container-"));
  store = new StateStore(join(directory, "state"));
  store.claim("dev");
  const size = { accelerator: "tcg", memoryMib: 512, cpus: 1, timeline: { listening: 1, check: 2 } };
  const places = { address: "unix:///dev", logAddress: "unix:///log", folder: "/nowhere" };
  store.writeGuest({ name: "dev", ...places, ...size, bootedAt: "2026-12-03T00:00:00.000Z" });
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Returns a prepared run in a running guest whose agent answers so. */
function preparedWith(agent: Readonly<Record<string, () => Promise<unknown>>>) {
  const leave = vi.fn();
  const parts = { guest: "dev", target: { address: "unix:///dev" }, config: {}, rootfs: { host: "/h", guest: "/g" } };
  return { ...parts, leave, client: { agent } as unknown as AgentClient } as unknown as PreparedRun;
}

const fails = (kind: "unavailable" | "canceled" | "already-exists" | "not-found") => async () => {
  throw new RpcError(kind, `it is ${kind}`, kind === "not-found" ? { reason: "no-container" } : {});
};

test.each(["unavailable", "canceled"] as const)(
  "a container that may exist (%s), at an agent that doesn't answer, is left to the supervisor",
  async (kind) => {
    const prepared = preparedWith({ createContainer: fails(kind), removeContainer: fails("unavailable") });
    await expect(startContainer(store, prepared, NEW)).rejects.toThrow(`it is ${kind}`);
    expect(isLeftBegun(store, prepared, "web")).toBe(true);
    expect(findLost(store)).toEqual([{ guest: "dev", id: "web", isEnded: false }]);
    expect(prepared.leave).toHaveBeenCalled();
  },
);

test("a container that was created, but neither started nor removed, is left to the supervisor", async () => {
  const created = async () => ({});
  const prepared = preparedWith({
    ...{ createContainer: created, startContainer: fails("unavailable"), removeContainer: fails("unavailable") },
  });
  await expect(startContainer(store, prepared, NEW)).rejects.toThrow("it is unavailable");
  expect(isLeftBegun(store, prepared, "web")).toBe(true);
});

test("another client's container of the same name is not removed", async () => {
  const removeContainer = vi.fn(fails("not-found"));
  const prepared = preparedWith({ createContainer: fails("already-exists"), removeContainer });
  await expect(startContainer(store, prepared, NEW)).rejects.toThrow("it is already-exists");
  expect(isLeftBegun(store, prepared, "web")).toBe(false);
  expect(removeContainer).not.toHaveBeenCalled();
});

test("a further run removes first what a killed one may have created", async () => {
  const calls: string[] = [];
  const note = (name: string) => async () => void calls.push(name);
  const agent = Object.fromEntries(["removeContainer", "createContainer", "startContainer"].map((n) => [n, note(n)]));
  await startContainer(store, preparedWith(agent), { ...NEW, isAgain: true });
  expect(calls).toEqual(["removeContainer", "createContainer", "startContainer"]);
});
