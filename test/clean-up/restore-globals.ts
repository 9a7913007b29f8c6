import { afterAll, vi } from "vitest";

// Test files of a project without isolation share a process: what one of them has replaced ends with it.
afterAll(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
});
