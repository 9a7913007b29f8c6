import { parseJson } from "../../lib/parse-json.ts";

/** Like `parseJson`, but returns whole numbers that a `number` can't hold exactly as bigints. */
export function parseExactJson(text: string, file: string): unknown {
  return parseJson(text, file, (_key, value, { source = "" } = {}) => {
    if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
    return /^-?\d+$/.test(source) ? BigInt(source) : value;
  });
}
