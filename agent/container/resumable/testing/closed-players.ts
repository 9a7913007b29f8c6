import { afterEach, beforeEach, vi } from "vitest";
import { playAgent, playProcess } from "./played-process.ts";

/**
 * Returns functions that play agents and processes, which are closed after each test, the last one first, and one that adds
 * something else to close. Timers are fake during the tests.
 */
export function closedPlayers() {
  const played: { close(): void }[] = [];
  const closing = <Played extends { close(): void }>(it: Played): Played => {
    played.push(it);
    return it;
  };
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  });
  afterEach(() => {
    for (const it of played.splice(0).reverse()) it.close();
    vi.useRealTimers();
  });
  return {
    closing,
    agent: (parts?: Parameters<typeof playAgent>[0]) => closing(playAgent(parts)),
    play: (options?: Parameters<typeof playProcess>[0]) => closing(playProcess(options)),
  };
}
