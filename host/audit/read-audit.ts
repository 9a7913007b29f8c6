import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { isJsonObject } from "../../lib/parse-json.ts";
import type { AuditEntry } from "./audit.ts";
import { auditFiles } from "./audit-files.ts";

/** Longest line that is read; none that was written is longer. */
const MAX_LINE = 4096;

/** Yields the audit's entries, the oldest first. Skips lines that are none, as a full disk leaves them. */
export async function* readAudit(files = auditFiles()): AsyncIterable<AuditEntry> {
  for (const file of files) {
    const lines = createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY });
    for await (const line of lines) {
      const entry = line.length > MAX_LINE ? undefined : entryOf(line);
      if (entry !== undefined) yield entry;
    }
  }
}

function entryOf(line: string): AuditEntry | undefined {
  try {
    const entry: unknown = JSON.parse(line);
    const isWhole = isJsonObject(entry) && typeof entry["time"] === "string" && typeof entry["operation"] === "string";
    return isWhole ? (entry as unknown as AuditEntry) : undefined;
  } catch {
    return undefined;
  }
}
