/** One sample of Prometheus text. */
export interface PrometheusSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const SPECIAL: Readonly<Record<string, number>> = {
  "+Inf": Number.POSITIVE_INFINITY,
  Inf: Number.POSITIVE_INFINITY,
  "-Inf": Number.NEGATIVE_INFINITY,
  NaN: Number.NaN,
};

/** Yields the samples of Prometheus text 0.0.4, without comments. Throws an Error that quotes a line not in the format. */
export function* prometheusSamples(text: string): Generator<PrometheusSample> {
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const [, name = "", inBraces = "", digits = ""] = SAMPLE.exec(line) ?? [];
    const value = SPECIAL[digits] ?? Number(digits || Number.NaN);
    if (name === "" || (Number.isNaN(value) && digits !== "NaN")) throw new Error(line.slice(0, 300));
    yield { name, labels: labelsOf(inBraces), value };
  }
}

function labelsOf(inBraces: string): Record<string, string> {
  const pairs = inBraces.matchAll(LABEL);
  return Object.fromEntries(Array.from(pairs, ([, key = "", to = ""]) => [key, unescaped(to)]));
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (_, each: string) => (each === "n" ? "\n" : each));
}
