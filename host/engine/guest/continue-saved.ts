import type { AgentClient } from "../../client/agent-client.ts";
import { presentTime } from "../template/become-clone.ts";
import { connectRestored } from "./connect-restored.ts";
import { stepClock } from "./step-clock.ts";

/** Connects to a guest that continues after it was saved, and lets its agent continue. Returns the connection. */
export async function continueSaved(address: string, epoch: number): Promise<AgentClient> {
  const client = await connectRestored(address);
  try {
    await client.guest.resumed({ epoch, ...presentTime() });
    await stepClock(client);
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
}
