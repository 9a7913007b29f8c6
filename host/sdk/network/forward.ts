import { sandboxError } from "../error/to-sandbox-error.ts";

/** A port, an address with a port, or a unix socket. Port 0 to listen on is any free one. */
export type ForwardPlace =
  | number
  | { readonly host?: string; readonly port: number }
  /** Path of a unix socket; in the sandbox also `@name`. */
  | { readonly path: string };

/** Both ends of a forward. */
export interface ForwardOptions {
  /** Where to listen: on this machine, or in the sandbox if `reverse`. Default: any port of 127.0.0.1. */
  readonly listen?: ForwardPlace;
  /** Where connections go: into the sandbox, or to this machine if `reverse`. */
  readonly to: ForwardPlace;
  /** Listens in the sandbox, and forwards to this machine. */
  readonly reverse?: boolean;
  /** Forwards datagrams; not with `reverse`, nor unix sockets. */
  readonly udp?: boolean;
  /** Called when a connection was refused or lost, which ends that connection alone. */
  onError?(error: Error): void;
}

/** The options as a driver gets them. */
export interface ForwardRequest {
  readonly listen: PlainPlace;
  readonly to: PlainPlace;
  readonly reverse: boolean;
  readonly udp: boolean;
  onError(error: Error): void;
}

export interface PlainPlace {
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
}

/** A listener whose connections are forwarded, until `close`; connections that are open continue. */
export interface Forward extends AsyncDisposable {
  /** Port that it listens on; 0 for a unix socket. */
  readonly port: number;
  /** Where it listens, such as 127.0.0.1:8080 or unix:/tmp/socket. */
  readonly address: string;
  /** Ends the listening. */
  close(): Promise<void>;
}

/** Checks the options. Throws SandboxError. */
export function forwardRequest(what: string, options: ForwardOptions): ForwardRequest {
  const { listen = 0, to, reverse = false, udp = false } = options;
  const request = { listen: plainPlace(what, listen), to: plainPlace(what, to), reverse, udp };
  if (request.to.port === 0) throw sandboxError("invalid-argument", `${what}: port 0 is none to connect to`);
  const hasPath = (request.listen.path ?? request.to.path) !== undefined;
  if (udp && (reverse || hasPath)) {
    throw sandboxError("invalid-argument", `${what}: udp can be combined with neither reverse nor unix sockets`);
  }
  return { ...request, onError: (error) => options.onError?.(error) };
}

function plainPlace(what: string, place: ForwardPlace): PlainPlace {
  const plain = typeof place === "number" ? { port: place } : place;
  if ("path" in plain) {
    if (/^[/@]./.test(plain.path)) return plain;
    throw sandboxError("invalid-argument", `${what}: socket ${JSON.stringify(plain.path)} is no absolute path`);
  }
  const { port } = plain;
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return plain;
  throw sandboxError("invalid-argument", `${what}: ${port} is no port`);
}

/** Formats a place. */
export function placeText({ host = "127.0.0.1", port = 0, path }: PlainPlace): string {
  if (path !== undefined) return `unix:${path}`;
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
