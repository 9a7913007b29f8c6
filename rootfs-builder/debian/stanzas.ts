/** Parses paragraphs of "Field: value" lines, such as the output of apt-cache show. Joins continuation lines. */
export function stanzas(text: string): readonly ReadonlyMap<string, string>[] {
  return text
    .split(/\n\n+/)
    .map((paragraph) => {
      const fields = paragraph.replaceAll(/\n[ \t]+/g, " ").matchAll(/^([\w-]+):[ \t]*(.*)$/gm);
      return new Map(Array.from(fields, ([, name = "", value = ""]) => [name, value] as const));
    })
    .filter((fields) => fields.size > 0);
}

/** Returns the alternatives in each part of a dependency field, "a (>= 1) | b:any, c", in order. */
export function alternatives(field = ""): readonly (readonly string[])[] {
  return field
    .split(",")
    .filter((part) => part.trim() !== "")
    .map((part) => part.split("|").map((one) => one.trim().replace(/[\s(:[].*$/, "")));
}
