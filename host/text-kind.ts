/** Reasons of the kernel that programs and agents print without a field for them. The first that matches is taken. */
const KINDS = [
  [/no space left|\bENOSPC\b|disk is full/i, "no-space"],
  [/\bEADDRINUSE\b|address already in use/i, "port-in-use"],
  [/\b(EACCES|EPERM)\b|permission denied/i, "permission-denied"],
  [/\b(ENOENT|ESRCH)\b|no such (file|process)|not found|cannot find/i, "not-found"],
  [/\bEEXIST\b|file exists/i, "already-exists"],
] as const;

export type TextKind = (typeof KINDS)[number][1];

/** Returns the kind for what a foreign program prints; called only where its output is read. */
export function kindInText(text: string): TextKind | undefined {
  return KINDS.find(([says]) => says.test(text))?.[1];
}
