/** A kernel event about one device. */
export interface Uevent {
  /** For example add, remove, change or bind. */
  readonly action: string;
  /** Path below /sys, with a leading slash. */
  readonly devpath: string;
  readonly subsystem: string;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });
const ACTION = /^[a-z]+$/;
const DEVPATH = /^(\/[^/\0]+)+$/;
const SUBSYSTEM = /^[^/\0]+$/;

/**
 * Parses a message: `action@devpath`, then KEY=VALUE words, each terminated by a NUL. Returns undefined for anything
 * else.
 */
export function parseUevent(message: Uint8Array): Uevent | undefined {
  const text = decode(message);
  if (text === undefined || !text.endsWith("\0")) return undefined;
  const [header, ...words] = text.slice(0, -1).split("\0");
  const fields = new Map<string, string>();
  for (const word of words) {
    const at = word.indexOf("=");
    if (at > 0 && !fields.has(word.slice(0, at))) fields.set(word.slice(0, at), word.slice(at + 1));
  }
  const action = fields.get("ACTION") ?? "";
  const devpath = fields.get("DEVPATH") ?? "";
  const subsystem = fields.get("SUBSYSTEM") ?? "";
  if (header !== `${action}@${devpath}` || !ACTION.test(action) || !SUBSYSTEM.test(subsystem)) return undefined;
  if (!DEVPATH.test(devpath) || /\/\.\.?(\/|$)/.test(devpath)) return undefined;
  return { action, devpath, subsystem };
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}
