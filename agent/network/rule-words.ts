/**
 * The words of a line as iptables-restore has them: between double quotes a space belongs to the word and a backslash
 * takes the next character as it is; the second quote ends the word. Nothing else quotes.
 */
export function ruleWords(line: string): string[] {
  const parts = line.matchAll(/[^ \t"]*(?:"((?:[^"\\]|\\.)*)(?:"|\\?$)|(?=[ \t]|$))/gs);
  return Array.from(parts, ([whole, quoted]) => {
    if (quoted === undefined) return whole;
    return whole.slice(0, whole.indexOf('"')) + quoted.replaceAll(/\\(.)/gs, "$1");
  }).filter((word) => word !== "");
}
