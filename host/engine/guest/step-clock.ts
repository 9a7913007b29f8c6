import type { AgentClient } from "../../client/agent-client.ts";

/** Error in milliseconds that is small enough. */
const EXACT_MS = 40;
/** Attempts after which the limit doubles. */
const ATTEMPTS = 10;

/**
 * Steps a guest's clock. The time that is sent allows for half of the previous call's duration. The call may arrive at any moment
 * between its begin and its end, which bounds the error; if the bound is above the limit, the call is repeated. For a guest
 * that stays slow, the limit doubles after every ten attempts.
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
