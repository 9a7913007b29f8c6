/**
 * What a terminal would obey instead of show: C0 and C1 controls with ESC and CSI, and the marks that reorder or hide text.
 * Line feeds and tabs stay.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it finds
const OBEYED = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Text that a guest has a say in, as it is shown to a person: each such character as its escape of JSON. */
export function visible(text: string): string {
  return text.replace(OBEYED, escaped);
}

/** Text without those characters. */
export function withoutControls(text: string): string {
  return text.replace(OBEYED, "");
}

/** Like `visible`, on one line, whose columns the text can't leave. */
export function visibleLine(text: string): string {
  return visible(text).replace(/[\t\n]/g, escaped);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
