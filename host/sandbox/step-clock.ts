import type { AgentClient } from "../client/agent-client.ts";

/** Error in milliseconds that is small enough. */
const EXACT_MS = 40;
/** Attempts after which the limit doubles. */
const ATTEMPTS = 5;

/**
 * Steps a guest's clock to the time when the call is expected to arrive, half of the last call's time after its begin. It may have
 * arrived at any moment of this call, so the error is known to be small only if the call was about as fast; otherwise it is
 * repeated. For a guest that is slow or uneven each time, the limit doubles after every five attempts.
 */
export async function stepClock({ agent }: Pick<AgentClient, "agent">): Promise<void> {
  let onItsWay = 0;
  for (let attempt = 0; ; attempt++) {
    const begun = Date.now();
    const time = begun + onItsWay;
    await agent.setGuestDateTime({ Sec: Math.floor(time / 1000), Usec: (time % 1000) * 1000 });
    const took = Date.now() - begun;
    if (Math.max(onItsWay, took - onItsWay) <= EXACT_MS * 2 ** Math.floor(attempt / ATTEMPTS)) return;
    onItsWay = Math.floor(took / 2);
  }
}
