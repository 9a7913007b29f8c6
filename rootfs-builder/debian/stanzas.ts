/** Paragraphs of "Field: value" lines, as of apt-cache show; values that go on over several lines are joined. */
export function stanzas(text: string): readonly ReadonlyMap<string, string>[] {
  return text
    .split(/\n\n+/)
    .map((paragraph) => {
      const fields = paragraph.replaceAll(/\n[ \t]+/g, " ").matchAll(/^([\w-]+):[ \t]*(.*)$/gm);
      return new Map(Array.from(fields, ([, name = "", value = ""]) => [name, value] as const));
    })
    .filter((fields) => fields.size > 0);
}

/** Of "a (>= 1) | b:any, c": the names that each part can be, in their order. */
export function alternatives(field = ""): readonly (readonly string[])[] {
  return field
    .split(",")
    .filter((part) => part.trim() !== "")
    .map((part) => part.split("|").map((one) => one.trim().replace(/[\s(:[].*$/, "")));
}
