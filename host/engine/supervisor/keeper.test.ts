import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { OperationError } from "../../operation-error.ts";
import { askKeeper } from "./ask-keeper.ts";
import type { KeeperOperations } from "./keeper-operations.ts";
import { serveOperations } from "./serve-keeper.ts";

async function keeper(operations: Partial<KeeperOperations>) {
  const directory = mkdtempSync(join(tmpdir(), "keeper-"));
  const socket = join(directory, "keeper.sock");
  const none = () => Promise.resolve({});
  const rest = { continued: none, setTimeLimit: none, setIdleLimit: none, resize: none, pause: none, resume: none };
  const own = { snapshot: async () => ({ bytes: 0 }), ...rest };
  const all = { ...own, ...operations };
  const served = await serveOperations<KeeperOperations>(socket, all);
  onTestFinished(async () => {
    await served[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true });
  });
  return { served, guest: "g", socket };
}

test("a command gets the keeper's result", async () => {
  const place = await keeper({ snapshot: async ({ name }) => ({ bytes: name.length }) });
  expect(await askKeeper(place, "snapshot", { name: "four" })).toEqual({ bytes: 4 });
  expect(await askKeeper(place, "pause", {})).toEqual({});
});

test("a failure arrives as its one line", async () => {
  const place = await keeper({
    snapshot: () =>
      Promise.reject(new OperationError("snapshot guest g: a share is in use; boot it with --rootfs block")),
  });
  const asked = askKeeper(place, "snapshot", { name: "n" });
  await expect(asked).rejects.toThrow(/^snapshot guest g: a share is in use; boot it with --rootfs block$/);
});

test("a keeper that has ended is named in one line", async () => {
  const place = await keeper({});
  await place.served[Symbol.asyncDispose]();
  await expect(askKeeper(place, "pause", {})).rejects.toThrow(/^pause guest g: its keeper doesn't answer: /);
});

test("interrupting the command aborts the operation", async () => {
  const aborted = Promise.withResolvers<unknown>();
  const begun = Promise.withResolvers<void>();
  const place = await keeper({
    snapshot: (_, signal) =>
      new Promise((_resolve, reject) => {
        begun.resolve();
        signal.addEventListener("abort", () => {
          aborted.resolve(signal.reason);
          reject(signal.reason);
        });
      }),
  });
  const stop = new AbortController();
  const asked = askKeeper(place, "snapshot", { name: "n" }, stop.signal);
  await begun.promise;
  stop.abort(new Error("^C"));
  await expect(asked).rejects.toThrow("^C");
  expect(String(await aborted.promise)).toContain("the command that asked was ended");
});

test("the guest's end aborts the operation, and its command fails", async () => {
  const begun = Promise.withResolvers<void>();
  const place = await keeper({
    snapshot: (_, signal) =>
      new Promise((_resolve, reject) => {
        begun.resolve();
        signal.addEventListener("abort", () => reject(signal.reason));
      }),
  });
  const asked = askKeeper(place, "snapshot", { name: "n" });
  await begun.promise;
  const failed = expect(asked).rejects.toThrow(/^(snapshot guest g: its keeper|the guest is being powered off)/);
  await place.served[Symbol.asyncDispose]();
  await failed;
});

test("an operation that ends the guest is answered", async () => {
  const place = await keeper({
    async setTimeLimit() {
      await place.served[Symbol.asyncDispose]();
      return {};
    },
  });
  expect(await askKeeper(place, "setTimeLimit", {})).toEqual({});
});

test("the socket of a keeper that was killed doesn't hinder the next one", async () => {
  const place = await keeper({});
  const next = await serveOperations<KeeperOperations>(place.socket, {
    snapshot: async () => ({ bytes: 7 }),
    continued: async () => ({}),
    setTimeLimit: async () => ({}),
    setIdleLimit: async () => ({}),
    resize: async () => ({}),
    pause: async () => ({}),
    resume: async () => ({}),
  });
  expect(statSync(place.socket).isSocket()).toBe(true);
  expect(await askKeeper(place, "snapshot", { name: "n" })).toEqual({ bytes: 7 });
  await next[Symbol.asyncDispose]();
});
