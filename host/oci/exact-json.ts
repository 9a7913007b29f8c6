/** The text of a number as JSON.parse tells a reviver of it. */
interface Place {
  readonly source?: string;
}

/** JSON.parse, but for whole numbers that a `number` can't hold exactly: they are bigints. Throws SyntaxError. */
export function parseExactJson(text: string): unknown {
  const revive = (_key: string, value: unknown, place: Place = {}): unknown => {
    if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
    return /^-?\d+$/.test(place.source ?? "") ? BigInt(place.source ?? "") : value;
  };
  return JSON.parse(text, revive);
}
