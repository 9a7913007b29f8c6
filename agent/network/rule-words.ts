/**
 * Splits a line into words as iptables-restore does. Between double quotes, spaces belong to the word and a backslash
 * escapes the next character. The closing quote ends the word. No other character quotes.
 */
export function ruleWords(line: string): string[] {
  const parts = line.matchAll(/[^ \t"]*(?:"((?:[^"\\]|\\.)*)(?:"|\\?$)|(?=[ \t]|$))/gs);
  return Array.from(parts, ([whole, quoted]) => {
    if (quoted === undefined) return whole;
    return whole.slice(0, whole.indexOf('"')) + quoted.replaceAll(/\\(.)/gs, "$1");
  }).filter((word) => word !== "");
}
