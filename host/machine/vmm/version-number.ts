/** True if a version such as "1.16.0", "v52.0" or "1.17.0-dev" is at least `wanted`. False for any other text. */
export function isAtLeast(version: string, wanted: readonly number[]): boolean {
  const numbers = /^v?(\d+(?:\.\d+)*)/.exec(version)?.[1]?.split(".").map(Number);
  if (numbers === undefined) return false;
  for (const [index, least] of wanted.entries()) {
    const number = numbers[index] ?? 0;
    if (number !== least) return number > least;
  }
  return true;
}
