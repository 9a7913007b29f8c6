/** gRPC status codes by the names of our error kinds. Both protocols send the numbers. */
export const CODES = {
  ok: 0,
  canceled: 1,
  unknown: 2,
  "invalid-argument": 3,
  "deadline-exceeded": 4,
  "not-found": 5,
  "already-exists": 6,
  "permission-denied": 7,
  "resource-exhausted": 8,
  "failed-precondition": 9,
  aborted: 10,
  "out-of-range": 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  "data-loss": 15,
  unauthenticated: 16,
} as const;

export type CodeName = keyof typeof CODES;

/** Returns the name of a code, or "unknown" if it isn't in the table. */
export function codeName(code: number): CodeName {
  const found = Object.entries(CODES).find(([, value]) => value === code);
  return (found?.[0] as CodeName | undefined) ?? "unknown";
}
