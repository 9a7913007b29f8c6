/** Quotes arguments roughly as a shell needs them. */
export function commandLine(args: readonly string[]): string {
  return args.map((arg) => (/^[\w./=:@%+-]+$/.test(arg) ? arg : JSON.stringify(arg))).join(" ");
}
