import { afterAll, beforeAll, vi } from "vitest";
import { subscriptions, unsubscribeSince } from "./subscriptions.ts";

// The modules that a file loads stay for the next ones, with what they subscribe to when they are loaded.
let before: ReturnType<typeof subscriptions> | undefined;
beforeAll(() => {
  before = subscriptions();
});

// Test files of a project without isolation share a process: what one of them has replaced ends with it.
afterAll(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
  if (before !== undefined) unsubscribeSince(before);
});
