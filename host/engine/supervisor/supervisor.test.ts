import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { NOBODY } from "../../../lib/process-owner.ts";
import { StateStore } from "../record/state-store.ts";
import { Supervisor } from "./supervisor.ts";

test("an agent that never answers keeps no command waiting, and its container's removal is tried once at a time", async () => {
  const directory = mkdtempSync(join(tmpdir(), "supervisor-"));
  const clients: Socket[] = [];
  const agent = createServer((client) => void clients.push(client.on("error", () => undefined)));
  agent.listen(join(directory, "agent.sock"));
  await once(agent, "listening");
  onTestFinished(() => {
    agent.close();
    rmSync(directory, { recursive: true });
  });
  const store = new StateStore(join(directory, "state"));
  store.claim("dev");
  const size = { accelerator: "tcg", memoryMib: 512, cpus: 1, timeline: { listening: 1, check: 2 } };
  const address = `unix://${join(directory, "agent.sock")}`;
  store.writeGuest({ name: "dev", address, logAddress: address, ...size, bootedAt: "2026-12-03T00:00:00.000Z" });
  const process = { container: "web", exec: "web", args: ["sh"], image: "i", terminal: false, startedAt: "" };
  const begun = { ...process, rootfs: "/r", env: [], cwd: "/", user: "", starting: true, keeper: NOBODY } as const;
  store.processes.write("dev", begun);
  const supervisor = new Supervisor(store, 50);
  for (let command = 0; command < 3; command++) expect(await supervisor.adopt()).toEqual({ failures: [] });
  await expect.poll(() => clients.length).toBe(1);
  // The guest ends: the next attempt is a later command's.
  for (const client of clients) client.destroy();
  await expect.poll(() => store.processes.list("dev")[0]?.keeper).toEqual(NOBODY);
});
