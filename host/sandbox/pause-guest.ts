import type { AgentClient } from "../client/agent-client.ts";
import { Qmp } from "../machine/qmp.ts";

/**
 * Stops a guest: its containers don't run, its connections and its memory stay. `control` is the path of QEMU's control
 * socket (`Guest.control`).
 */
export async function pauseGuest(control: string): Promise<void> {
  await using qmp = await Qmp.connect(control);
  await qmp.execute("stop");
}

/** Lets a paused guest continue, and steps its clock, which stood still, to the present time. */
export async function resumeGuest(control: string, client: Pick<AgentClient, "agent">): Promise<void> {
  {
    await using qmp = await Qmp.connect(control);
    await qmp.execute("cont");
  }
  const now = Date.now();
  await client.agent.setGuestDateTime({ Sec: Math.floor(now / 1000), Usec: (now % 1000) * 1000 });
}
