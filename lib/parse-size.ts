const UNITS: Readonly<Record<string, number>> = { "": 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/**
 * Parses a size such as "256m" or "1.5GiB" to bytes; units b, k, m, g and t are powers of 1024. Returns undefined for
 * anything else.
 */
export function parseSize(text: string): number | undefined {
  const [, digits = "", unit = ""] = /^(\d+(?:\.\d+)?)([bkmgt]?)(?:i?b)?$/i.exec(text) ?? [];
  const value = Math.round(Number(digits) * (UNITS[unit.toLowerCase()] ?? Number.NaN));
  return digits === "" || !Number.isSafeInteger(value) ? undefined : value;
}
