/** Returns the options that are set among these flags, as on a command line. */
export function optionNames(flags: object, names: readonly string[]): string {
  return names
    .filter((name) => (flags as Readonly<Record<string, unknown>>)[name] !== undefined)
    .map((name) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`)
    .join(", ");
}
