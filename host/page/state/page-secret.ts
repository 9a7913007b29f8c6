/** Where this origin's pages keep their half of the session: other ports of the host get the cookie, and can't read this. */
const ITEM = "guestd-page";

export function keepSecret(secret: string): void {
  localStorage.setItem(ITEM, secret);
}

/** Returns the header that proves to the server that a request is the page's. */
export function secretHeader(): Readonly<Record<string, string>> {
  const secret = localStorage.getItem(ITEM);
  return secret === null ? {} : { "guestd-page": secret };
}

/** Returns the same proof as subprotocols of a WebSocket, whose headers a page can't choose. */
export function secretProtocols(): readonly string[] {
  const secret = localStorage.getItem(ITEM);
  return secret === null ? [] : [`guestd-page.${secret}`];
}
