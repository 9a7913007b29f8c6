/**
 * True if a value read from a file has every field of the sample with the same type, to any depth. Every item of a list must be
 * like the only item of the sample's list. Further fields may have any value.
 */
export function isLike<Sample>(value: unknown, sample: Sample): value is Sample {
  if (Array.isArray(sample)) return Array.isArray(value) && value.every((item) => isLike(item, sample[0]));
  if (typeof sample !== "object" || sample === null) return typeof value === typeof sample;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  return Object.entries(sample).every(([name, field]) => Object.hasOwn(fields, name) && isLike(fields[name], field));
}
