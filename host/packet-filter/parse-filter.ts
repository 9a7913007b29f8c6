import { isIP } from "node:net";

/** A link's and an address family's protocols, and those above IP. */
export type LinkProtocol = "ip" | "ip6" | "arp";
export type Transport = "tcp" | "udp" | "icmp" | "icmp6";
type Direction = "src" | "dst" | undefined;

export type Filter =
  | { readonly kind: "and" | "or"; readonly left: Filter; readonly right: Filter }
  | { readonly kind: "not"; readonly of: Filter }
  | { readonly kind: "link"; readonly protocol: LinkProtocol }
  | { readonly kind: "transport"; readonly protocol: Transport }
  /** Addresses whose first `bits` bits are those of `address` (4 or 16 bytes). */
  | { readonly kind: "net"; readonly direction: Direction; readonly address: Uint8Array; readonly bits: number }
  | PortFilter;

export interface PortFilter {
  readonly kind: "ports";
  /** Default: tcp, udp or sctp. */
  readonly transport: "tcp" | "udp" | undefined;
  readonly direction: Direction;
  readonly first: number;
  readonly last: number;
}

/** A filter that can't be read. The message is one line. */
export class FilterError extends Error {
  override readonly name = "FilterError";
}

const MAX_LENGTH = 4096;
/** Deepest nesting of parentheses and `not`. */
const MAX_DEPTH = 64;

const TOKENS = /&&|\|\||[()!&|]|[^\s()!&|]+/g;
const OPERATORS: Readonly<Record<string, "and" | "or">> = { and: "and", "&&": "and", or: "or", "||": "or" };
const LINKS = new Set<string>(["ip", "ip6", "arp"]);
const TRANSPORTS = new Set<string>(["tcp", "udp", "icmp", "icmp6"]);

/** Parses a filter; undefined if it is empty. Throws FilterError. Each filter means the same as in tcpdump. */
export function parseFilter(text: string): Filter | undefined {
  if (text.length > MAX_LENGTH) throw new FilterError(`filter: ${text.length} characters; the most is ${MAX_LENGTH}`);
  const tokens = text.match(TOKENS) ?? [];
  if (tokens.length === 0) return undefined;
  const parser = new Parser(tokens);
  const filter = parser.expression(0);
  const rest = parser.next();
  if (rest !== undefined) throw wrong(rest, "and, or, or the filter's end");
  return filter;
}

class Parser {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  next(): string | undefined {
    return this.#tokens[this.#at++];
  }

  /** Reads terms joined by `and` and `or`, which bind equally and from left to right in tcpdump too. */
  expression(depth: number): Filter {
    let filter = this.#term(depth);
    for (;;) {
      const kind = OPERATORS[this.#peek() ?? ""];
      if (kind === undefined) return filter;
      this.#at++;
      filter = { kind, left: filter, right: this.#term(depth) };
    }
  }

  #term(depth: number): Filter {
    if (depth > MAX_DEPTH) throw new FilterError(`filter: nested deeper than ${MAX_DEPTH} levels`);
    const token = this.next();
    if (token === "not" || token === "!") return { kind: "not", of: this.#term(depth + 1) };
    if (token !== "(") return this.#primitive(token);
    const filter = this.expression(depth + 1);
    const end = this.next();
    if (end !== ")") throw wrong(end, "and, or, or )");
    return filter;
  }

  #primitive(token: string | undefined): Filter {
    if (token === "tcp" || token === "udp") {
      const next = this.#peek() ?? "";
      if (!["src", "dst", "port", "portrange"].includes(next)) return { kind: "transport", protocol: token };
      return this.#qualified(this.next(), token);
    }
    if (token !== undefined && LINKS.has(token)) return { kind: "link", protocol: token as LinkProtocol };
    if (token !== undefined && TRANSPORTS.has(token)) return { kind: "transport", protocol: token as Transport };
    return this.#qualified(token, undefined);
  }

  #qualified(token: string | undefined, transport: PortFilter["transport"]): Filter {
    const direction = token === "src" || token === "dst" ? token : undefined;
    const type = direction === undefined ? token : this.next();
    if (type === "port" || type === "portrange") {
      const [first, last] = readPorts(type, this.next());
      return { kind: "ports", transport, direction, first, last };
    }
    if (transport !== undefined) throw wrong(type, "port or portrange");
    if (type === "host" || type === "net") return { kind: "net", direction, ...readNet(type, this.next()) };
    const protocols = direction === undefined ? "ip, ip6, arp, tcp, udp, icmp, icmp6, src, dst, not, (, " : "";
    throw wrong(type, `${protocols}host, net, port or portrange`);
  }

  #peek(): string | undefined {
    return this.#tokens[this.#at];
  }
}

function readPorts(type: "port" | "portrange", token: string | undefined): [first: number, last: number] {
  const [, first, last = first] = (type === "port" ? /^(\d{1,5})$/ : /^(\d{1,5})-(\d{1,5})$/).exec(token ?? "") ?? [];
  const range: [number, number] = [Number(first), Number(last)];
  if (range[0] <= range[1] && range[1] <= 65_535) return range;
  throw wrong(token, type === "port" ? "a port's number" : "two ports, such as 8000-8080");
}

function readNet(
  type: "host" | "net",
  token: string | undefined,
): { readonly address: Uint8Array; readonly bits: number } {
  const [, text = "", digits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(token ?? "") ?? [];
  const address = addressBytes(text);
  if (address === undefined) throw wrong(token, "an IP address; names are not resolved");
  const most = address.length * 8;
  if (type === "host" && digits !== undefined) throw wrong(token, "a single address; use net for several");
  const bits = Number(digits ?? most);
  if (bits > most) throw wrong(token, `at most ${most} bits after /`);
  if (address.some((byte, at) => (byte & (0xff >> Math.min(Math.max(bits - at * 8, 0), 8))) !== 0)) {
    throw wrong(token, `an address whose bits after the first ${bits} are 0`);
  }
  return { address, bits };
}

/** Returns the bytes of an IPv4 or IPv6 address; undefined for other texts. */
export function addressBytes(text: string): Uint8Array | undefined {
  const version = text.includes("%") ? 0 : isIP(text);
  if (version === 0) return undefined;
  if (version === 4) return Uint8Array.from(text.split("."), Number);
  // Brings every spelling to eight groups; "::" stands for those that are missing.
  const plain = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_match, ...parts: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [head = "", tail] = plain.split("::");
  const groups = (part: string) => (part === "" ? [] : part.split(":"));
  const [before, after] = [groups(head), groups(tail ?? "")];
  const all = [...before, ...Array<string>(8 - before.length - after.length).fill("0"), ...after];
  return Uint8Array.from(all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]));
}

function wrong(token: string | undefined, expected: string): FilterError {
  const found = token === undefined ? "it ends" : `${JSON.stringify(token.slice(0, 80))} is there`;
  return new FilterError(`filter: ${found}; expected ${expected}`);
}
