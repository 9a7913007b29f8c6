import { redacted } from "./redact.ts";

/** Longest text of one field, in characters. */
const MAX_TEXT = 2000;
const MAX_ITEMS = 64;
const MAX_DEPTH = 12;

/**
 * Returns a message as plain JSON for a report: without fields at their default, which the wire doesn't carry either, with
 * bytes as text or hex, bounded, and with secrets redacted.
 */
export function displayable(message: unknown): unknown {
  return plain(message, "", 0) ?? {};
}

/** Returns undefined for a default value. */
function plain(value: unknown, key: string, depth: number): unknown {
  if (value === null || value === undefined || value === "" || value === 0 || value === false) return undefined;
  if (depth > MAX_DEPTH) return "…";
  if (typeof value === "string") return redacted(key, cut(value));
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object") return value;
  if (value instanceof Uint8Array) return value.length === 0 ? undefined : bytesText(value, key);
  if (Array.isArray(value)) return value.length === 0 ? undefined : items(value, key, depth);
  const entries = Object.entries(value).flatMap(([name, item]) => {
    const shown = plain(item, name, depth + 1);
    return shown === undefined ? [] : [[name, shown] as const];
  });
  if (entries.length === 0) return depth === 0 ? {} : undefined;
  return Object.fromEntries(entries.slice(0, MAX_ITEMS));
}

function items(list: readonly unknown[], key: string, depth: number): unknown[] {
  const shown = list.slice(0, MAX_ITEMS).map((item) => plain(item, key, depth + 1) ?? item);
  return list.length > MAX_ITEMS ? [...shown, `… ${list.length - MAX_ITEMS} more`] : shown;
}

function bytesText(bytes: Uint8Array, key: string): string {
  const start = Buffer.from(bytes.subarray(0, MAX_TEXT));
  const text = start.toString("utf8");
  // Terminals' output has escapes.
  const isText = !/\p{Cc}|\ufffd/u.test(text.replaceAll("\u001b", "").replace(/\s/g, ""));
  const shown = isText ? text : `hex ${start.subarray(0, 64).toString("hex")}`;
  const all = isText ? bytes.length <= MAX_TEXT : bytes.length <= 64;
  return redacted(key, all ? shown : `${shown} … (${bytes.length} bytes)`);
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)} … (${text.length} characters)` : text;
}
