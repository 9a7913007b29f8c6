const UNITS = ["", "K", "M", "G", "T"];

/** Formats bytes, or bytes per second, in at most five characters: 1536 → "1.5K". */
export function shortSize(bytes: number | undefined): string {
  if (bytes === undefined) return "-";
  let value = bytes;
  let unit = 0;
  for (; value >= 999.5 && unit < UNITS.length - 1; unit++) value /= 1024;
  const digits = unit > 0 && value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)}${UNITS[unit]}`;
}

/** Formats a share in at most four characters: 0.256 → "25.6", 1 → "100". */
export function percent(share: number | undefined): string {
  if (share === undefined) return "-";
  const value = share * 100;
  return value < 99.95 ? value.toFixed(1) : value.toFixed(0);
}

/** Adds numbers of which some are unknown; undefined if all are. */
export function sumKnown(...values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0);
}
