import type { Uevents } from "../device/uevents.ts";

const BLOCK = "/devices/system/memory/memory";

/**
 * Calls `changed` once for all blocks of memory that came online or went offline in one turn of the event loop, or may have. What
 * it throws goes to `failed`.
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
