import { InvalidArgumentError } from "commander";

/** One end of a forward: a host and port, or the path of a unix socket. */
export interface Place {
  /** An IP address; of the end that is connected to, also a host name. */
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
}

export interface PlacePair {
  readonly first: Place;
  readonly second: Place;
}

const PLACE = String.raw`unix:(?:/|@)[^:]+|(?:(?:\[[0-9A-Fa-f:.]+\]|\d+\.\d+\.\d+\.\d+|localhost):)?\d{1,5}`;
const NAMED = String.raw`(?!unix:)[A-Za-z][\w.-]*:\d{1,5}`;
const PAIR = new RegExp(`^(${PLACE})(?::(${PLACE}|${NAMED}))?$`);
const EXPECTED = "Expected 8080:80, [ADDRESS:]PORT:[HOST:]PORT or unix:PATH:unix:PATH.";

/** Parses "8080:80", or "80" for the same port on both sides. Throws InvalidArgumentError. */
export function placePair(text: string): PlacePair {
  const [, first, second] = PAIR.exec(text) ?? [];
  if (first === undefined) throw new InvalidArgumentError(EXPECTED);
  if (second === undefined && first.startsWith("unix:")) throw new InvalidArgumentError(EXPECTED);
  const place = placeOf(first);
  const { port = 0 } = place;
  return { first: place, second: second === undefined ? { port } : placeOf(second) };
}

/** Collects the pairs of an option that can be repeated. */
export const placePairs = (text: string, before: readonly PlacePair[] = []): readonly PlacePair[] => [
  ...before,
  placePair(text),
];

function placeOf(text: string): Place {
  if (text.startsWith("unix:")) return { path: text.slice("unix:".length) };
  const [, host, digits] = /^(?:(.+):)?(\d+)$/.exec(text) ?? [];
  const port = Number(digits);
  if (port > 65_535) throw new InvalidArgumentError(`${port} is no port.`);
  if (host === undefined || host === "localhost") return { port };
  return { host: host.replace(/^\[|\]$/g, ""), port };
}

/** Formats a place as it is written in an option; `port` replaces port 0. */
export function placeText({ host = "127.0.0.1", port = 0, path }: Place, bound = port): string {
  if (path !== undefined) return `unix:${path}`;
  return `${host.includes(":") ? `[${host}]` : host}:${bound}`;
}
