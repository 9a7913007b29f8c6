export interface ConfigFile {
  /** Each key of the first level with its value, as it would stand on the kernel command line. */
  readonly values: ReadonlyMap<string, string>;
  /** Lines that are not understood, each in one line of text. */
  readonly problems: readonly string[];
}

const ESCAPES: Readonly<Record<string, string>> = { '"': '"', "\\": "\\", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
const LINE = /^\s*(?:"([\w-]+)"|([\w-]+))\s*=\s*(.*)$/;
const BASIC = /^"((?:[^"\\]|\\["\\bfnrt])*)"\s*(?:#.*)?$/;
const LITERAL = /^'([^']*)'\s*(?:#.*)?$/;
const WORD = /^(true|false|[+-]?\d+(?:_\d+)*)\s*(?:#.*)?$/;
/** A span of time as serde writes it. */
const DURATION = /^\{\s*secs\s*=\s*(\d+)\s*(?:,\s*nanos\s*=\s*\d+\s*)?\}\s*(?:#.*)?$/;

/**
 * The TOML that a configuration of the agent is made of: `key = value` with strings, whole numbers, booleans and spans of
 * time, comments, and tables. Keys within tables are left out, as the agent has no options there. Anything else of TOML
 * (arrays, dates, text of several lines) is named as a problem.
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
