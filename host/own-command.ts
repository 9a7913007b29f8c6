/** Returns the arguments of this command as the user typed them: launchers hide options from Node (hide-options.sh). */
export function ownArguments(): readonly string[] {
  return process.argv.slice(2).map((word) => (word.startsWith("\\") ? word.slice(1) : word));
}

/** Returns the arguments with which Node runs another command of this program, hidden as the launchers hide them. */
export function ownCommand(words: readonly string[], execArgv: readonly string[] = process.execArgv): string[] {
  const [, script = ""] = process.argv;
  return [...execArgv, script, ...words.map((word) => (/^[-\\]/.test(word) ? `\\${word}` : word))];
}
