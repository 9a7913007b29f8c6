/** A challenge in a registry's `WWW-Authenticate` header. */
export interface Challenge {
  /** Lower case. */
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const PARAMETER = /\s*([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*(?:,|$)/y;

/** Parses the header's first Bearer challenge, otherwise its first challenge. Undefined if there is none. */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  const all = [...(header ?? "").matchAll(/(?:^|,)\s*([A-Za-z][\w-]*)(?=\s+[\w-]+\s*=|\s*$)/g)].map((match) => {
    const parameters = new Map<string, string>();
    PARAMETER.lastIndex = match.index + match[0].length;
    for (let found = PARAMETER.exec(header ?? ""); found !== null; found = PARAMETER.exec(header ?? "")) {
      const [, name = "", quoted, bare = ""] = found;
      parameters.set(name.toLowerCase(), quoted?.replaceAll(/\\(.)/g, "$1") ?? bare);
    }
    return { scheme: (match[1] ?? "").toLowerCase(), parameters };
  });
  return all.find(({ scheme }) => scheme === "bearer") ?? all[0];
}

/** Returns the URL to request a token from, or undefined if the challenge names none. */
export function tokenUrl({ parameters }: Challenge, scope: string): URL | undefined {
  const realm = parameters.get("realm") ?? "";
  if (!URL.canParse(realm)) return undefined;
  const url = new URL(realm);
  const service = parameters.get("service");
  if (service !== undefined) url.searchParams.set("service", service);
  url.searchParams.set("scope", parameters.get("scope") ?? scope);
  return url;
}
