import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { PlanOp } from "../../../agent/kernel/init/plan.ts";
import { startRelayedInit, sys } from "./relayed-init.ts";

/** Launches at a time; a divisor of 4096. */
const AT_ONCE = 64;

/** Registers the test of init's full table of processes. */
export function mostProcesses(binary: string): void {
  test("init tracks 4096 processes, fails one more launch with ENOSPC, and passes all of them to the next agent", async () => {
    await using init = await startRelayedInit({ init: binary });
    const agent = await init.nextAgent();
    const missing: PlanOp[] = [
      { op: "find", candidates: ["/missing"] },
      { op: "exec", args: ["x"], env: [] },
    ];
    const report = sys.pipe();
    const request = (id: number) =>
      ({
        id,
        plan: missing,
        slots: [report.write],
        reportSlot: 0,
        newPidNamespace: false,
        keep: {},
        label: `label ${id}`,
      }) as const;
    sys.setNonBlocking(report.write); // the pipe holds fewer than 4096 reports, and this test reads none
    for (let first = 1; first <= 4096; first += AT_ONCE) {
      const ids = Array.from({ length: AT_ONCE }, (_, at) => first + at);
      const launched = await Promise.all(ids.map((id) => agent.launch(request(id))));
      for (const { pidfd, exit } of launched) {
        sys.close(pidfd);
        expect((await exit).code).toBe(127);
      }
    }
    await expect(agent.launch(request(4097))).rejects.toThrow("launch by init process 4097: ENOSPC");
    agent.forget(2000);
    const last = await agent.launch(request(4097));
    await last.exit;
    sys.close(last.pidfd);
    const relay = (await init.running.children()).find((pid) =>
      readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("relay"),
    );
    process.kill(relay ?? 0, "SIGKILL");
    const { processes } = (await init.nextAgent()).greeting;
    expect(processes).toHaveLength(4096);
    expect(processes.every(({ id, label, exited }) => label === `label ${id}` && exited?.code === 127)).toBe(true);
    for (const { pidfd } of processes) sys.close(pidfd ?? -1);
    for (const fd of [report.read, report.write]) sys.close(fd);
  });
}
