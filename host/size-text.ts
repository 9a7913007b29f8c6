const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** Formats bytes: 1536 → "1.5 KiB". */
export function sizeText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${UNITS[unit]}`;
}
