const SECRET = /secret|token|passw|credential|api_?key|private_?key|authorization/i;
const REDACTED = "[redacted]";

/**
 * Returns a text without the secrets that its name or its form gives away: the value of a field or of a NAME=value whose
 * name sounds secret, and the user part of a URL.
 */
export function redacted(name: string, text: string): string {
  if (SECRET.test(name)) return REDACTED;
  return text
    .replace(/\b([\w.-]+)(=|:\s+)(?:"[^"]*"|'[^']*'|[^\s"',;]+)/g, (all, word: string, between: string) =>
      SECRET.test(word) ? `${word}${between}${REDACTED}` : all,
    )
    .replace(/:\/\/[^/\s:@]+:[^/\s@]+@/g, `://${REDACTED}@`);
}
