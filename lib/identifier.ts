const IDENTIFIER = /^[A-Za-z0-9][A-Za-z0-9_.-]{1,99}$/;

/** True for names that agents accept as ids, and docker as names of volumes; they are also safe as file names. */
export function isIdentifier(text: string): boolean {
  return IDENTIFIER.test(text);
}
