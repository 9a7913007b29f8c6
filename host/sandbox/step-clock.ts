import type { AgentClient } from "../client/agent-client.ts";

/** Time in milliseconds within which a call has to be answered to be exact enough. */
const EXACT_MS = 40;
/** Attempts after which the limit doubles. */
const ATTEMPTS = 5;

/**
 * Steps a guest's clock to the present time. The error is at most half the time that the call takes; a slow call is
 * repeated. For a guest that is slow each time, the limit doubles after every five attempts.
 */
export async function stepClock({ agent }: Pick<AgentClient, "agent">): Promise<void> {
  let onItsWay = 0;
  for (let attempt = 0; ; attempt++) {
    const begun = Date.now();
    const time = begun + onItsWay;
    await agent.setGuestDateTime({ Sec: Math.floor(time / 1000), Usec: (time % 1000) * 1000 });
    const took = Date.now() - begun;
    if (took <= EXACT_MS * 2 ** Math.floor(attempt / ATTEMPTS)) return;
    onItsWay = Math.floor(took / 2);
  }
}
