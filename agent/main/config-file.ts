export interface ConfigFile {
  /** Top-level keys with their values as they would be written on the kernel command line. */
  readonly values: ReadonlyMap<string, string>;
  /** One line of text for each line that isn't understood. */
  readonly problems: readonly string[];
}

const ESCAPES: Readonly<Record<string, string>> = { '"': '"', "\\": "\\", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
const LINE = /^\s*(?:"([\w-]+)"|([\w-]+))\s*=\s*(.*)$/;
const BASIC = /^"((?:[^"\\]|\\["\\bfnrt])*)"\s*(?:#.*)?$/;
const LITERAL = /^'([^']*)'\s*(?:#.*)?$/;
const WORD = /^(true|false|[+-]?\d+(?:_\d+)*)\s*(?:#.*)?$/;
/** A duration as serde writes it. */
const DURATION = /^\{\s*secs\s*=\s*(\d+)\s*(?:,\s*nanos\s*=\s*\d+\s*)?\}\s*(?:#.*)?$/;

/**
 * Parses the subset of TOML that agent configurations use: comments, tables, and `key = value` with strings, whole numbers, booleans
 * and durations. Keys in tables are ignored, as the agent has no options there. Any other TOML (arrays, dates, multi-line strings)
 * is reported as a problem.
 */
export function parseConfigFile(text: string): ConfigFile {
  const values = new Map<string, string>();
  const problems: string[] = [];
  let inTable = false;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    if (/^\s*\[.*\]\s*(#.*)?$/.test(line)) {
      inTable = true;
      continue;
    }
    if (inTable) continue;
    const [, quoted, bare, rest = ""] = LINE.exec(line) ?? [];
    const key = quoted ?? bare;
    const value = key === undefined ? undefined : parseValue(rest);
    if (key === undefined) problems.push(`line ${index + 1}: not "key = value"`);
    else if (value === undefined) problems.push(`line ${index + 1}: ${key}: not a string, whole number or boolean`);
    else if (values.has(key)) problems.push(`line ${index + 1}: ${key} is there twice; the first counts`);
    else values.set(key, value);
  }
  return { values, problems };
}

function parseValue(text: string): string | undefined {
  const basic = BASIC.exec(text)?.[1];
  if (basic !== undefined) return basic.replaceAll(/\\(.)/g, (_, letter: string) => ESCAPES[letter] ?? "");
  return LITERAL.exec(text)?.[1] ?? DURATION.exec(text)?.[1] ?? WORD.exec(text)?.[1]?.replaceAll("_", "");
}
