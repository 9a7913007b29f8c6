import { expect, test } from "vitest";
import { temporaryDirectory } from "../../../image/testing/tree.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { listProcesses } from "./process-list.ts";

test("lists the containers of a guest that doesn't answer", async () => {
  using folder = temporaryDirectory();
  const store = new StateStore(folder.path);
  store.claim("busy");
  const guest = { name: "busy", address: "unix:///nonexistent", logAddress: "unix:///nonexistent", folder: "/none" };
  store.writeGuest({ ...guest, bootedAt: "2026-01-01T00:00:00Z" } as never);
  expect(await listProcesses(store, {})).toMatchObject([{ guest: "busy", state: "no answer" }]);
  const settings = { image: "busybox", terminal: false, rootfs: "/none", env: [], cwd: "/", user: "" };
  const labels = { app: "web" };
  const record = { container: "web", exec: "web", args: ["sleep", "9"], startedAt: "2026-01-01T00:00:01Z", labels };
  store.processes.write("busy", { ...settings, ...record });
  const listed = { guest: "busy", container: "web", process: "init", state: "no answer", image: "busybox", labels };
  expect(await listProcesses(store, {})).toMatchObject([listed]);
});
