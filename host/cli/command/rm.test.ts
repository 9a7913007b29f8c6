import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startedAt } from "../../../lib/process-owner.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { runGuestctl } from "../testing/run-guestctl.ts";

/** Records a container in a guest, whose keeper is a process that `end` kills. */
async function keptContainer(directory: string, address: string) {
  const store = new StateStore(join(directory, `guestd-${process.geteuid?.()}`));
  const keeper = spawn("sleep", ["1000"]);
  onTestFinished(() => void keeper.kill("SIGKILL"));
  await once(keeper, "spawn");
  store.claim("web");
  const size = { accelerator: "tcg", memoryMib: 512, cpus: 1, timeline: { listening: 1, check: 2 } };
  store.writeGuest({ name: "web", address, logAddress: address, ...size, bootedAt: "2026-11-25T00:00:00.000Z" });
  store.processes.write("web", {
    ...{ container: "web", exec: "web", args: ["sh"], image: "i", terminal: false, startedAt: "", kept: true },
    ...{ rootfs: "/r", env: [], cwd: "/", user: "" },
    keeper: { pid: keeper.pid ?? 0, started: startedAt(keeper.pid ?? 0) ?? 0 },
  });
  const end = () => {
    store.noteEnding("web");
    keeper.kill("SIGKILL");
  };
  return { store, end };
}

test("a container counts as removed if its own guest is powered off before the agent has answered", async () => {
  const directory = mkdtempSync(join(tmpdir(), "guestctl-rm-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const sockets = join(directory, "vm");
  mkdirSync(sockets, { mode: 0o700 });
  const { store, end } = await keptContainer(directory, `unix://${join(sockets, "agent.sock")}`);
  const agent = createServer((socket) => socket.on("error", () => undefined).once("data", () => socket.destroy()));
  agent.on("connection", end);
  agent.listen(join(sockets, "agent.sock"));
  onTestFinished(() => void agent.close());
  await once(agent, "listening");
  expect(await runGuestctl(directory, ["rm", "web"])).toEqual({ stdout: "web\n", stderr: "", code: 0 });
  expect(store.processes.list("web")).toEqual([]);
});
