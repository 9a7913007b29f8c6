/** What is read of a stranger's image; more is refused. */
export const MAX_ENTRIES = 200_000;
/** Of a symlink's target in bytes: the kernel's own. */
export const MAX_TARGET = 4095;
/** As much as `readFile` and the tools' outputs take at once. */
export const MOST_BYTES = 2 ** 31 - 1;
