/** What is read of a stranger's image; more is refused. */
export const MAX_ENTRIES = 200_000;
/** Of all paths together, in bytes. */
export const MAX_PATHS = 64 << 20;
/** Extended attributes of all entries together. */
export const MAX_ATTRIBUTES = 2 * MAX_ENTRIES;
/** Bytes of all directories together, as many as so many entries may take. */
export const MAX_DIRECTORIES = 64 << 20;
/** As much as `readFile` and the tools' outputs take at once. */
export const MOST_BYTES = 2 ** 31 - 1;
/** Of an initramfs without gzip or zstd around it. */
export const MAX_UNPACKED = 1 << 30;
/** Of a tool that reads a stranger's image: milliseconds, and what it may say. */
export const PATIENCE = { timeout: 300_000, maxOutput: 512 << 20 } as const;
