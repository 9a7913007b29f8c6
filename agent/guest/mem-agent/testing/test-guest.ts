import type { GuestMemory } from "../guest-memory.ts";

export const CALM =
  "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";

/** A fake guest: its files, what was written to them, and its log. `onWrite` plays the kernel's part. */
export interface TestGuest extends GuestMemory {
  readonly files: Map<string, string>;
  readonly written: [path: string, text: string][];
  readonly lines: [fields: Readonly<Record<string, unknown>>, message: string][];
  onWrite: (path: string, text: string, signal?: AbortSignal) => Promise<void> | void;
  ms: number;
}

export function testGuest(files: Readonly<Record<string, string>>): TestGuest {
  const guest: TestGuest = {
    files: new Map(Object.entries(files)),
    written: [],
    lines: [],
    ms: 0,
    onWrite: () => undefined,
    cgroupRoot: "/cg",
    now: () => guest.ms,
    openDebugfs: () => "/debug",
    log: (fields, message) => void guest.lines.push([fields, message]),
    async readText(path) {
      const text = guest.files.get(path);
      if (text === undefined)
        throw Object.assign(new Error(`ENOENT: no such file, open '${path}'`), { code: "ENOENT" });
      return text;
    },
    async write(path, text, signal) {
      guest.written.push([path, text]);
      await guest.onWrite(path, text, signal);
    },
  };
  return guest;
}
