import { visibleLine } from "../../visible.ts";
import { FIELD_RULES, MAX_BYTES, MAX_CHARACTERS, MAX_DATE, MAX_ITEMS, type Rule } from "./field-rules.ts";

/** A field that no agent of ours would send. The message is one line that names it. */
class AnswerError extends Error {
  override readonly name = "AnswerError";
}

type Path = (string | number)[];

/**
 * Checks each field of a message of an agent by its rule, and makes its texts visible. `name` is its full protobuf name.
 * Numbers of guestd's own messages are exact; Kata's have counters near 2^64, for "no limit". Throws AnswerError.
 */
export function checkAnswer<T>(name: string, message: T): T {
  return checked(message, FIELD_RULES[name] ?? "name", name.startsWith("guestd."), [name]) as T;
}

function checked(value: unknown, rule: Rule, isExact: boolean, path: Path): unknown {
  if (typeof value === "string") return checkedText(value, rule, path);
  if (typeof value === "number" && isExact && !Number.isSafeInteger(value)) throw refusal(path, `${value} is no count`);
  if (typeof value === "number" && rule === "date" && value > MAX_DATE) throw refusal(path, `${value} ms is no date`);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) {
    if (rule !== "data" && value.length > MAX_BYTES)
      throw refusal(path, `${value.length} bytes are over the limit of ${MAX_BYTES}`);
    return value;
  }
  const fields = value as Record<string | number, unknown>;
  const keys = Array.isArray(value) ? value.keys() : Object.keys(value);
  const count = Array.isArray(value) ? value.length : (keys as string[]).length;
  if (count > MAX_ITEMS) throw refusal(path, `${count} items are over the limit of ${MAX_ITEMS}`);
  for (const key of keys) {
    if (typeof key === "string") checkedText(key, "name", path);
    path.push(key);
    const inner = typeof rule === "string" || typeof key === "number" ? rule : (rule[key] ?? "name");
    fields[key] = checked(fields[key], inner, isExact, path);
    path.pop();
  }
  return value;
}

function checkedText(text: string, rule: Rule, path: Path): string {
  if (rule === "document") return text;
  const limit = MAX_CHARACTERS[rule === "text" || rule === "id" ? rule : "name"];
  // Made visible, a text may be six times as long.
  const line = text.length > limit ? text : visibleLine(text);
  if (line.length > limit) throw refusal(path, `${line.length} characters are over the limit of ${limit}`);
  if (rule !== "text" && line !== text) throw refusal(path, `${line.slice(0, 80)} has control characters`);
  return line;
}

function refusal(path: Path, why: string): AnswerError {
  return new AnswerError(`the agent's ${path.join(".")}: ${why}`);
}
