import type { Uevents } from "../device/uevents.ts";

const BLOCK = "/devices/system/memory/memory";

/**
 * Calls `changed` once per turn of the event loop in which memory blocks went online or offline, or may have as events were lost.
 * Its errors go to `failed`.
 */
export function followMemory(uevents: Uevents, changed: () => void, failed: (error: unknown) => void): void {
  let due = false;
  const follow = () => {
    due = false;
    try {
      changed();
    } catch (error) {
      failed(error);
    }
  };
  uevents.subscribe((event) => {
    const concerns = event === undefined || (event.devpath.startsWith(BLOCK) && /^(on|off)line$/.test(event.action));
    if (!concerns || due) return;
    due = true;
    setImmediate(follow);
  });
}
