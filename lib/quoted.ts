/** Returns outside text as JSON for an error message, cut after `most` characters. */
export function quoted(text: string, most = 100): string {
  return JSON.stringify(text.length > most ? `${text.slice(0, most)}…` : text);
}
