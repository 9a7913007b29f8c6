/** Transforms each value, as in JSON.parse; `source` is the text of a number. */
type Reviver = (key: string, value: unknown, context?: { readonly source?: string }) => unknown;

/** Parses JSON. Its SyntaxError is one line that starts with the position: "config.json:3:5: Unexpected token 'b'". */
export function parseJson(text: string, file: string, revive?: Reviver): unknown {
  try {
    return JSON.parse(text, revive);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const before = text.slice(0, mistakeAt(text, error.message)).split("\n");
    const place = `${file}:${before.length}:${(before.at(-1) ?? "").length + 1}`;
    throw new SyntaxError(`${place}: ${reasonOf(error.message)}`, { cause: error });
  }
}

/** True for an object of JSON: neither null nor a list. */
export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Returns the message without the position and without the text that V8 quotes, which can hold line ends. */
function reasonOf(message: string): string {
  return message
    .replace(/^(Unexpected token '[\s\S]+?'), [\s\S]* is not valid JSON$/u, "$1")
    .replace(/( in JSON| after JSON)? at position \d+ .*$/, (_, where) => (where === " after JSON" ? where : ""));
}

/** Returns the index of the first invalid character. V8 reports it, except for a token that it quotes. */
function mistakeAt(text: string, message: string): number {
  const position = / at position (\d+) /.exec(message)?.[1];
  if (position !== undefined) return Number(position);
  if (!isTokenError(message)) return text.length;
  // The shortest prefix that fails in the same way ends with the token; shorter ones fail as incomplete.
  let [fails, lacks] = [text.length, 0];
  while (fails - lacks > 1) {
    const middle = (fails + lacks) >> 1;
    if (isTokenError(messageOf(text.slice(0, middle)))) fails = middle;
    else lacks = middle;
  }
  return fails - 1;
}

function isTokenError(message: string): boolean {
  return message.startsWith("Unexpected token ");
}

function messageOf(text: string): string {
  try {
    JSON.parse(text);
    return "";
  } catch (error) {
    return (error as SyntaxError).message;
  }
}
