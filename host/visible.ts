/**
 * Characters that control a terminal rather than print: C0 and C1 controls, including ESC and CSI, and marks that
 * reorder or hide text. Excludes line feeds and tabs.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it finds
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Escapes control characters as in JSON, to print text that a guest influences. */
export function visible(text: string): string {
  return text.replace(CONTROLS, escaped);
}

/** Maximum length of an error message in characters; an agent's may have 4 MiB. */
const LONGEST = 4000;

/** Truncates an error message of unknown length. */
export function truncate(message: string): string {
  return message.length > LONGEST ? `${message.slice(0, LONGEST)} …` : message;
}

/** Removes control characters. */
export function withoutControls(text: string): string {
  return text.replace(CONTROLS, "");
}

/** Like `visible`, but also escapes line feeds and tabs, so that the text stays in its line and column. */
export function visibleLine(text: string): string {
  return visible(text).replace(/[\t\n]/g, escaped);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
